import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { transaction } from '../../indexer/db/transaction.ts';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { chooseSnapshots } from '../../indexer/stages/snapshot-settings.ts';
import { snapshots } from '../../indexer/stages/snapshots.ts';
import { Chain } from '../kit/chain.ts';
import { ChainServer } from '../kit/chain-server.ts';
import { runCommand } from '../kit/command-line.ts';
import { addressOf } from '../kit/event-logs.ts';
import { settleStages } from '../kit/settle-stages.ts';
import {
  ALICE,
  BOB,
  blockOf,
  CHAIN_ID,
  distribute,
  MASTER,
  mint,
  OTHER_MASTER,
  START,
  StageScene,
  transfer,
} from '../kit/stage-scene.ts';

const UPPER_MASTER = MASTER.toUpperCase().replace('0X', '0x');
const TOKEN = addressOf(0xe1);
/** In block 5, token 1 is sold, then a distribution occurs, then token 2 is minted. Token 1 is burnt in block 8. */
const LOGS = [
  mint(MASTER, 1n, { block: 2 }),
  transfer(MASTER, 1n, [ALICE, BOB], { block: 5, index: 0 }),
  distribute(3n, { block: 5, index: 1 }),
  mint(MASTER, 2n, { block: 5, index: 2 }),
  transfer(MASTER, 1n, [BOB, ZERO_ADDRESS], { block: 8 }),
];

let scene: StageScene;
beforeEach(async () => {
  scene = await StageScene.open();
  return () => scene.drop();
});

const query = async (text: string) => (await scene.database.pool.query(text)).rows;

/** Returns the query of a scalar function with its arguments, because `explain` does not show the plan inside a call. */
async function bodyOf(call: string): Promise<string> {
  const [, name = '', list = ''] = /select (\w+)\((.*)\)/.exec(call) ?? [];
  const [row] = await query(`select prosrc, proargnames as names from pg_proc where proname = '${name}'`);
  const values = list.split(', ');
  // No column has the name of an argument, so the replacement changes arguments only.
  const names: readonly string[] = row?.names ?? [];
  return names.reduce(
    (text, argument, index) =>
      text.replaceAll(new RegExp(`(?<![.\\w])${argument}(?![\\w_])`, 'g'), values[index] ?? ''),
    String(row?.prosrc),
  );
}

describe('the functions that answer for a block', () => {
  const ownerAt = async (token: number, block: number) =>
    (await query(`select owner_at('1', '${UPPER_MASTER}', ${token}, ${block}) as owner`))[0]?.owner;
  const holdersAt = async (block: number) =>
    (
      await query(
        `select token_id || ' ' || owner_wallet as text from holders_at('1', '${UPPER_MASTER}', ${block}) order by 1`,
      )
    ).map(({ text }) => text);

  test('owner_at and holders_at count every log of the block, and no former fact', async () => {
    await scene.fill(1, START, LOGS);
    expect([await ownerAt(1, 1), await ownerAt(1, 2), await ownerAt(1, 4)]).toEqual([null, ALICE, ALICE]);
    expect([await ownerAt(1, 5), await ownerAt(1, 7), await ownerAt(1, 8)]).toEqual([BOB, BOB, null]);
    expect([await ownerAt(2, 4), await ownerAt(2, 5), await ownerAt(3, 9)]).toEqual([null, ALICE, null]);
    expect(await holdersAt(4)).toEqual([`1 ${ALICE}`]);
    expect(await holdersAt(5)).toEqual([`1 ${BOB}`, `2 ${ALICE}`]);
    expect(await holdersAt(2 ** 40)).toEqual([`2 ${ALICE}`]);
    await query('update nft_transfers set block_hash = null where block_number = 5 and log_index = 0');
    expect(await ownerAt(1, 5)).toBe(ALICE);
  });

  test('balance_at adds what a wallet received and subtracts what it sent', async () => {
    const rows = [
      [3, ZERO_ADDRESS, ALICE, 100],
      [4, ALICE, BOB, 30],
      [4, ALICE, ALICE, 7],
    ].map(
      ([block, from, to, value], index) =>
        `(gen_random_uuid(), gen_random_uuid(), '1', '${TOKEN}', '${from}', '${to}', ${value}, '0x', ${block}, '0x', ${index}, now())`,
    );
    await query(
      `insert into token_transfers (id, artist_token_id, chain_id, contract_address, from_wallet, to_wallet, value, tx_hash,
         block_number, block_hash, log_index, block_timestamp) values ${rows.join(', ')}`,
    );
    const balanceAt = async (wallet: string, block: number) =>
      (
        await query(
          `select balance_at('1', '${TOKEN.toUpperCase().replace('0X', '0x')}', '${wallet}', ${block}) as text`,
        )
      )[0]?.text;
    expect([await balanceAt(ALICE, 2), await balanceAt(ALICE, 3), await balanceAt(ALICE, 4)]).toEqual([
      '0',
      '100',
      '70',
    ]);
    expect([await balanceAt(BOB, 3), await balanceAt(BOB, 4)]).toEqual(['0', '30']);
  });

  test.each([
    [`select owner_at('1', '${MASTER}', 7, 100)`, /Index Scan using nft_transfers_master_nft_id_idx/],
    [`select * from holders_at('1', '${MASTER}', 100)`, /Index Scan using nft_transfers_master_nft_id_idx/],
    [
      `select balance_at('1', '${TOKEN}', '${ALICE}', 100)`,
      /token_transfers_to_wallet_idx[\s\S]*token_transfers_from_wallet_idx/,
    ],
  ])('%s uses an index', async (text, index) => {
    await fillTables();
    const body = text.startsWith('select *') ? text : await bodyOf(text);
    const plan = (await query(`explain ${body}`)).map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(index);
    expect(plan).not.toMatch(/Seq Scan on (nft|token)_transfers/);
  });

  /** Writes the facts of 200 masters with 20 tokens, and of 4,000 wallets. */
  async function fillTables(): Promise<void> {
    await query(`
      insert into master_contracts (id, master_id, chain_id, contract_address)
      select gen_random_uuid(), '${scene.masterId}', '9' || n, '${MASTER}' from generate_series(1, 200) n`);
    await query(`
      insert into master_nfts (id, master_contract_id, master_id, chain_id, contract_address, token_id, current_owner_wallet, original_minter_wallet)
      select gen_random_uuid(), id, master_id, chain_id, contract_address, n, '${ALICE}', '${ALICE}'
      from master_contracts, generate_series(1, 20) n`);
    await query(`
      insert into nft_transfers (id, master_nft_id, master_id, chain_id, contract_address, token_id, from_wallet, to_wallet, tx_hash,
        block_number, block_hash, log_index, block_timestamp, transfer_type)
      select gen_random_uuid(), id, master_id, chain_id, contract_address, token_id, '${ZERO_ADDRESS}', '${ALICE}', '0x', token_id, '0x',
        row_number() over (), now(), 'mint' from master_nfts`);
    await query(`
      insert into token_transfers (id, artist_token_id, chain_id, contract_address, from_wallet, to_wallet, value, tx_hash,
        block_number, block_hash, log_index, block_timestamp)
      select gen_random_uuid(), gen_random_uuid(), '1', '${TOKEN}', 'from ' || n, 'to ' || n, 1, '0x', n, '0x', 0, now()
      from generate_series(1, 4000) n`);
    await query('analyze');
  }
});

test('a distribution is a snapshot of the logs before it', async () => {
  await scene.fill(1, START, LOGS);
  await settleStages(scene.database, [CHAIN_ID]);
  const { snapshots: rows, holders } = await scene.state();
  expect(rows.map((text) => text.split(' at ')[0])).toEqual([`5/1 dividend: 1 of ${BOB}`]);
  expect(holders).toHaveLength(1);
});

test('an unwind leaves the rows of the platform, and removes what was derived whatever is above it', async () => {
  await query(`insert into nft_ownership_snapshots (master_id, token_id, chain_id, contract_address, owner_wallet, snapshot_timestamp,
    snapshot_block_number, snapshot_reason) values ('${scene.masterId}', 1, '1', '${MASTER}', '${ALICE}', now(), 5, 'dividend')`);
  await scene.fill(1, START, LOGS);
  await settleStages(scene.database, [CHAIN_ID]);
  expect((await scene.state()).snapshots).toHaveLength(2);
  await transaction(scene.database, async (tx) => {
    await tx.deleteFrom('nft_transfers').where('block_number', '=', '5').execute();
    await snapshots.unwind(tx, CHAIN_ID, 4);
  });
  const { snapshots: rows, holders } = await scene.state();
  expect(rows.map((text) => text.split(' at ')[0])).toEqual([`5/ dividend: 1 of ${ALICE}`]);
  expect(holders).toEqual([]);
});

describe('indexer snapshot', () => {
  let server: ChainServer;
  beforeEach(async () => {
    const chain = new Chain({ chainId: CHAIN_ID });
    chain.mine(30);
    server = await ChainServer.start(chain);
  });
  afterEach(() => server.close());

  const run = (...args: string[]) =>
    runCommand(['snapshot', ...args], { DATABASE_URL: scene.url, RPC_URL_1: server.url });
  const requested = async () =>
    (await scene.state()).snapshots.filter((text) => text.includes(' airdrop: ')).map((text) => text.split(' at ')[0]);

  test('writes the owners at the end of a past block, and the same rows when it is repeated', async () => {
    await scene.fill(1, START, LOGS);
    await settleStages(scene.database, [CHAIN_ID]);
    const first = await run('--contract', UPPER_MASTER, '--block', '5', '--json');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(first.out)).toEqual({
      snapshot: { chainId: CHAIN_ID, contract: MASTER, block: 5, reason: 'airdrop', rows: 2, pending: false },
    });
    const rows = [`5/4294967295 airdrop: 1 of ${BOB}`, `5/4294967295 airdrop: 2 of ${ALICE}`];
    expect(await requested()).toEqual(rows);
    expect((await run('--contract', MASTER, '--block', '5')).out).toMatch(/\(airdrop\): 0 rows written\n$/);
    expect(await requested()).toEqual(rows);
  });

  test('is taken again after a reorg', async () => {
    await scene.fill(1, START, LOGS);
    const block = await scene.follow([mint(MASTER, 9n, { block: START + 1 })]);
    await settleStages(scene.database, [CHAIN_ID]);
    expect((await run('--contract', MASTER, '--block', String(block))).code).toBe(0);
    const row = (token: number, owner: string) => `${block}/4294967295 airdrop: ${token} of ${owner}`;
    expect(await requested()).toEqual([row(2, ALICE), row(9, ALICE)]);
    await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(START), reason: 'command' });
    expect(await requested()).toEqual([]);
    await scene.follow([transfer(MASTER, 2n, [ALICE, BOB], { block })]);
    await settleStages(scene.database, [CHAIN_ID]);
    expect(await requested()).toEqual([row(2, BOB)]);
  });

  test('waits for the stage if that has not reached the block', async () => {
    await scene.fill(1, START, LOGS);
    expect((await run('--contract', MASTER, '--block', '5')).out).toMatch(/requested; it is taken when/);
    expect(await requested()).toEqual([]);
    await settleStages(scene.database, [CHAIN_ID]);
    expect(await requested()).toHaveLength(2);
  });

  test('is refused above the blocks that are complete', async () => {
    await scene.fill(1, 7, LOGS);
    const refused = await run('--contract', MASTER, '--block', '8');
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(
      /at block 8: it is complete up to block 7 only; `indexer status` shows what is missing/,
    );
    expect((await run('--contract', MASTER, '--block', '31')).err).toMatch(/has no block 31/);
    expect((await run('--contract', OTHER_MASTER, '--block', '5')).err).toMatch(/is not a registered master/);
    expect((await run('--contract', MASTER, '--block', '5', '--reason', 'dividend')).err).toMatch(/without a request/);
    expect(await query('select from indexer.snapshot_requests')).toEqual([]);
  });
});

test('snapshots at distributions that are turned off are deleted, and all of them are taken once they are turned on', async () => {
  await scene.fill(1, START, LOGS);
  await settleStages(scene.database, [CHAIN_ID]);
  const taken = async () => (await scene.state()).snapshots;
  expect(await taken()).toHaveLength(1);
  const choose = (dividend: boolean) =>
    chooseSnapshots(scene.database, { chainId: CHAIN_ID, contract: MASTER, dividend, daily: undefined });
  await choose(false);
  await scene.follow([distribute(1n, { block: START + 1 })]);
  await settleStages(scene.database, [CHAIN_ID]);
  expect(await taken()).toEqual([]);
  // The owners at a distribution are counted even if it has no snapshot.
  expect((await scene.state()).holders).toHaveLength(2);
  await choose(true);
  const again = await taken();
  expect(again.map((text) => text.split(' at ')[0])).toEqual([
    `5/1 dividend: 1 of ${BOB}`,
    `21/1 dividend: 2 of ${ALICE}`,
  ]);
  await choose(true);
  expect(await taken()).toEqual(again);
});
