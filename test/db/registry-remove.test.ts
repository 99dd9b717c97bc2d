import type pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { runSteps } from '../../indexer/db/step.ts';
import { transaction } from '../../indexer/db/transaction.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { lockChain } from '../../indexer/progress/locks.ts';
import { addContracts, type ContractSpec } from '../../indexer/registry/add.ts';
import { loadContracts } from '../../indexer/registry/contracts.ts';
import { prepareContracts } from '../../indexer/registry/prepare.ts';
import { removeContract } from '../../indexer/registry/remove.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

const CHAIN = 31337;
const addressOf = (n: number): Hex => `0x${n.toString(16).padStart(40, '0')}`;
const SPECS: readonly ContractSpec[] = [
  { kind: 'master', chainId: CHAIN, address: addressOf(1), fromBlock: 1, masterId: undefined },
  { kind: 'dividend', chainId: CHAIN, address: addressOf(2), fromBlock: 1, masterContract: addressOf(1) },
  { kind: 'artist_token', chainId: CHAIN, address: addressOf(3), fromBlock: 1, artistId: undefined },
  {
    kind: 'pool',
    chainId: CHAIN,
    address: addressOf(4),
    fromBlock: 1,
    type: 'uniswap_v2',
    token0: addressOf(3),
    token1: addressOf(9),
  },
];

let test: TestDatabase;
let database: Database;

beforeEach(async () => {
  test = await createDatabase();
  database = openDatabase({ url: test.url });
  await addContracts(database, SPECS);
  await database.pool.query(`insert into indexer.chains (chain_id, head_number, head_hash) values ($1, 50, '0xaa')`, [
    CHAIN,
  ]);
  await database.pool.query(`update indexer.contracts set covered = '{[1,11)}', live_from = 20`);
  return async () => {
    await database.close();
    await test.drop();
  };
});

const rows = async (text: string, values: unknown[] = []): Promise<pg.QueryResultRow[]> =>
  (await database.pool.query(text, values)).rows;
const remove = (n: number, purge = false) => removeContract(database, { chainId: CHAIN, address: addressOf(n), purge });
const contract = async (n: number) =>
  (await loadContracts(database.kysely, CHAIN)).contracts.find(({ address }) => address === addressOf(n));

describe('removing', () => {
  it('closes the coverage at the head and raises the version that followers compare', async () => {
    expect(await remove(1)).toEqual([{ kind: 'master', address: addressOf(1), purgedRows: 0 }]);
    expect(await contract(1)).toMatchObject({
      status: 'removed',
      liveFrom: null,
      covered: [
        { from: 1, to: 10 },
        { from: 20, to: 50 },
      ],
    });
    expect((await loadContracts(database.kysely, CHAIN)).liveVersion).toBe(1);
    expect(await contract(2)).toMatchObject({ status: 'active', liveFrom: 20 });
  });

  it('a second time changes nothing', async () => {
    await remove(1);
    const first = await contract(1);
    await remove(1);
    expect(await contract(1)).toEqual(first);
  });

  it('keeps the coverage of a contract that was not live yet, and on a chain without a head', async () => {
    await database.pool.query(`update indexer.contracts set live_from = 60`);
    await remove(1);
    expect((await contract(1))?.covered).toEqual([{ from: 1, to: 10 }]);
    await database.pool.query(`delete from indexer.chains`);
    await remove(2);
    expect(await contract(2)).toMatchObject({ status: 'removed', covered: [{ from: 1, to: 10 }] });
  });

  it('removes nothing for an address that is not registered', async () => {
    expect(await remove(77)).toEqual([]);
    expect(await removeContract(database, { chainId: 1, address: addressOf(1), purge: false })).toEqual([]);
  });

  it('of one kind leaves the other kinds at the address', async () => {
    await addContracts(database, [
      { kind: 'artist_token', chainId: CHAIN, address: addressOf(4), fromBlock: 1, artistId: undefined },
    ]);
    await removeContract(database, { chainId: CHAIN, address: addressOf(4), kind: 'pool', purge: false });
    const statuses = await rows('select kind, status from indexer.contracts where address = $1 order by kind', [
      addressOf(4),
    ]);
    expect(statuses).toEqual([
      { kind: 'artist_token', status: 'active' },
      { kind: 'pool', status: 'removed' },
    ]);
  });

  it('waits for a commit in progress', async () => {
    let committed = false;
    let removal: Promise<unknown> = Promise.resolve();
    await transaction(database, async (tx) => {
      await runSteps(tx, [lockChain(CHAIN, 'shared')]);
      removal = remove(1).then(() => expect(committed).toBe(true));
      await until('the removal to wait', async () => {
        const waiting = await rows(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        );
        return waiting.length > 0;
      });
      committed = true;
    });
    await removal;
  });

  it('is reversed by adding the contract again, with its coverage kept and the blocks since then a gap', async () => {
    await remove(1);
    const spec = SPECS[0] as ContractSpec;
    expect(await addContracts(database, [spec])).toMatchObject([{ outcome: 'restored' }]);
    expect(await contract(1)).toMatchObject({ status: 'active', liveFrom: null, covered: [{ to: 10 }, { to: 50 }] });
  });
});

/** Inserts rows, as commits would, into every table that a contract of any kind touches. */
async function insertHistory(): Promise<void> {
  const ids = Object.fromEntries(
    (await rows('select kind, platform_id from indexer.contracts')).map((r) => [r.kind, r.platform_id]),
  );
  const { master_id: masterId } = (await rows('select master_id from master_contracts'))[0] ?? {};
  const [nft, at] = ['00000000-0000-8000-8000-000000000001', 'now()'];
  await database.pool.query(`
    insert into master_nfts (id, master_id, master_contract_id, token_id, chain_id, contract_address, current_owner_wallet, original_minter_wallet, mint_count)
    values ('${nft}', '${masterId}', '${ids.master}', 1, '${CHAIN}', '${addressOf(1)}', '0xaa', '0xaa', 1);
    insert into nft_transfers (master_nft_id, master_id, token_id, chain_id, contract_address, from_wallet, to_wallet, tx_hash, block_number, log_index, block_timestamp, transfer_type)
    values ('${nft}', '${masterId}', 1, '${CHAIN}', '${addressOf(1)}', '0x0', '0xaa', '0x1', 5, 0, ${at}, 'mint');
    update master_contracts set first_minter_wallet = '0xaa', minted_supply = 1, current_supply = 1;
    insert into master_ipos (master_id, total_supply, minted_supply) values ('${masterId}', 10, 1);
    insert into dividend_events (master_id, dividend_contract_id, event_type, chain_id, contract_address, tx_hash, block_number, log_index, block_timestamp, total_amount, currency)
    values ('${masterId}', '${ids.dividend}', 'deposit', '${CHAIN}', '${addressOf(2)}', '0x2', 6, 0, ${at}, 5, '0x0');
    insert into dividend_claims (wallet_address, master_id, dividend_contract_id, master_nft_id, token_id, amount_claimed, currency, tx_hash, block_number, log_index, block_timestamp, chain_id)
    values ('0xaa', '${masterId}', '${ids.dividend}', '${nft}', 1, 5, '0x0', '0x3', 7, 0, ${at}, '${CHAIN}');
    update dividend_contracts set total_revenue_deposited = 5;
    insert into token_transfers (id, artist_token_id, chain_id, contract_address, from_wallet, to_wallet, value, tx_hash, block_number, block_hash, log_index, block_timestamp)
    values (gen_random_uuid(), '${ids.artist_token}', '${CHAIN}', '${addressOf(3)}', '0x0', '0xaa', 5, '0x4', 8, '0xbb', 0, ${at});
    insert into token_holders (artist_token_id, wallet_address, chain_id, balance) values ('${ids.artist_token}', '0xaa', '${CHAIN}', 5);
    update artist_tokens set total_supply = 5, holders_count = 1;
    insert into pool_events (liquidity_pool_id, artist_token_id, event_type, chain_id, pool_address, tx_hash, block_number, log_index, block_timestamp, amount0, amount1, sender)
    values ('${ids.pool}', '${ids.artist_token}', 'swap', '${CHAIN}', '${addressOf(4)}', '0x5', 9, 0, ${at}, 1, -1, '0xaa');
    insert into pool_positions (liquidity_pool_id, wallet_address, chain_id, lp_token_balance) values ('${ids.pool}', '0xaa', '${CHAIN}', 5);
    update liquidity_pools set reserve0 = 5, reserve1 = 6, reserve_position = 1, lp_total_supply = 5;
    insert into indexer.contract_events (id, chain_id, address, kind, event, arguments, tx_hash, block_number, block_hash, log_index, block_timestamp)
    select gen_random_uuid(), chain_id, address, kind, 'E', '{}', '0x6', 10, '0xbb', 0, ${at} from indexer.contracts where kind in ('master', 'pool') limit 1;
    insert into indexer.dead_letters (id, chain_id, kind, contract_kind, address, block_number, block_hash, log_index, reason)
    values (gen_random_uuid(), ${CHAIN}, 'log', 'master', '${addressOf(1)}', 10, '0xbb', 1, 'bad');
  `);
}

const PURGED_TABLES = [
  'nft_transfers',
  'master_nfts',
  'dividend_events',
  'dividend_claims',
  'token_transfers',
  'token_holders',
  'pool_events',
  'pool_positions',
  'indexer.contract_events',
  'indexer.dead_letters',
];
async function counts(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const table of PURGED_TABLES) found[table] = (await rows(`select count(*)::int from ${table}`))[0]?.count;
  return found;
}

describe('purging', () => {
  it('resets the platform’s rows to their state before any log, and deletes all other rows of the contract', async () => {
    const derived = async () =>
      rows(`
        select m.first_minter_wallet, m.minted_supply, m.current_supply, d.total_revenue_deposited,
          t.total_supply, t.holders_count, p.reserve0, p.reserve1, p.reserve_position, p.lp_total_supply
        from master_contracts m, dividend_contracts d, artist_tokens t, liquidity_pools p`);
    await prepareContracts(database, CHAIN);
    const fresh = await derived();
    await insertHistory();
    for (const n of [1, 2, 3, 4]) {
      const [removed] = await remove(n, true);
      expect(removed?.purgedRows).toBeGreaterThan(1);
    }
    expect(Object.values(await counts())).toEqual(PURGED_TABLES.map(() => 0));
    expect(await derived()).toEqual(fresh);
    expect(await rows('select minted_supply from master_ipos')).toEqual([{ minted_supply: '0' }]);
    expect(await rows('select distinct covered::text, status from indexer.contracts')).toEqual([
      { covered: '{}', status: 'removed' },
    ]);
  });

  it('deletes only the rows of one contract', async () => {
    await insertHistory();
    await remove(1, true);
    expect(await counts()).toMatchObject({
      nft_transfers: 0,
      master_nfts: 0,
      dividend_claims: 1,
      dividend_events: 1,
      token_transfers: 1,
      pool_events: 1,
      'indexer.dead_letters': 0,
    });
    expect(await rows('select master_nft_id from dividend_claims')).toEqual([{ master_nft_id: null }]);
  });

  it('does not happen on a plain removal', async () => {
    await insertHistory();
    const before = await counts();
    for (const n of [1, 2, 3, 4]) await remove(n);
    expect(await counts()).toEqual(before);
  });
});
