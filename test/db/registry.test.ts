import type pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { recordDeployment } from '../../indexer/progress/contract-registration.ts';
import { addContracts, type ContractSpec } from '../../indexer/registry/add.ts';
import { loadContracts } from '../../indexer/registry/contracts.ts';
import { registerPlatformRows } from '../../indexer/registry/register-platform-rows.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';

const CHAIN = 8453;
const addressOf = (n: number): Hex => `0x${n.toString(16).padStart(40, '0')}`;
const MASTER: ContractSpec = {
  kind: 'master',
  chainId: CHAIN,
  address: addressOf(1),
  fromBlock: 100,
  masterId: undefined,
};
const TOKEN: ContractSpec = {
  kind: 'artist_token',
  chainId: CHAIN,
  address: addressOf(3),
  fromBlock: 300,
  artistId: undefined,
};
const DIVIDEND: ContractSpec = {
  kind: 'dividend',
  chainId: CHAIN,
  address: addressOf(2),
  fromBlock: 200,
  masterContract: MASTER.address,
};
const POOL: ContractSpec = {
  kind: 'pool',
  chainId: CHAIN,
  address: addressOf(4),
  fromBlock: undefined,
  type: 'sushiswap',
  token0: addressOf(9),
  token1: TOKEN.address,
};

let test: TestDatabase;
let database: Database;

beforeEach(async () => {
  test = await createDatabase();
  database = openDatabase({ url: test.url });
  return async () => {
    await database.close();
    await test.drop();
  };
});

const rows = async (text: string, values: unknown[] = []): Promise<pg.QueryResultRow[]> =>
  (await database.pool.query(text, values)).rows;

describe('adding contracts by hand', () => {
  it('creates placeholder rows for everything that was not named, whatever the order of the contracts', async () => {
    const added = await addContracts(database, [POOL, DIVIDEND, TOKEN, MASTER]);
    expect(added.map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ['master', 'added'],
      ['artist_token', 'added'],
      ['dividend', 'added'],
      ['pool', 'added'],
    ]);
    const { contracts } = await loadContracts(database.kysely, CHAIN);
    expect(contracts.map(({ kind, address, deployedAtBlock }) => [kind, address, deployedAtBlock])).toEqual([
      ['master', MASTER.address, 100],
      ['dividend', DIVIDEND.address, 200],
      ['artist_token', TOKEN.address, 300],
      ['pool', POOL.address, null],
    ]);
    const [master, dividend, token, pool] = contracts;
    expect(dividend?.masterId).toBe(master?.masterId);
    expect(pool?.artistTokenId).toBe(token?.platformId);
    expect(token?.artistTokenId).toBe(token?.platformId);
    expect(await rows('select email, status from users order by email')).toEqual([
      { email: `${CHAIN}-${MASTER.address}@placeholder.invalid`, status: 'suspended' },
      { email: `${CHAIN}-${TOKEN.address}@placeholder.invalid`, status: 'suspended' },
    ]);
  });

  it('twice changes nothing but an earlier first block', async () => {
    await addContracts(database, [MASTER, TOKEN]);
    const before = await rows('select * from master_contracts');
    const again = await addContracts(database, [
      { ...MASTER, fromBlock: 50 },
      { ...TOKEN, fromBlock: 400 },
    ]);
    expect(again.map(({ outcome }) => outcome)).toEqual(['unchanged', 'unchanged']);
    expect(await rows('select * from master_contracts')).toEqual(before);
    const { contracts } = await loadContracts(database.kysely, CHAIN);
    expect(contracts.map(({ deployedAtBlock }) => deployedAtBlock)).toEqual([50, 300]);
  });

  it('derives the same ids in every database', async () => {
    await addContracts(database, [MASTER, TOKEN]);
    const ids = 'select id from master_contracts union all select id from users order by 1';
    const first = await rows(ids);
    const other = await createDatabase();
    const second = openDatabase({ url: other.url });
    try {
      await addContracts(second, [TOKEN]);
      await addContracts(second, [MASTER]);
      expect((await second.pool.query(ids)).rows).toEqual(first);
    } finally {
      await second.close();
      await other.drop();
    }
  });

  it('links to the named master or artist, which must exist and have no contract yet', async () => {
    await addContracts(database, [MASTER]);
    const [{ id: masterId } = { id: '' }] = await rows('select id from masters');
    const [{ id: artistId } = { id: '' }] = await rows('select id from artists');
    const another = { ...MASTER, address: addressOf(11), masterId };
    await expect(addContracts(database, [another])).rejects.toThrow(/already has a contract on chain 8453: 0x0+1$/);
    await expect(addContracts(database, [{ ...another, masterId: artistId }])).rejects.toThrow(/there is no master/);
    await addContracts(database, [{ ...TOKEN, artistId }]);
    expect(await rows('select artist_id from artist_tokens')).toEqual([{ artist_id: artistId }]);
    await expect(addContracts(database, [{ ...TOKEN, address: addressOf(12), artistId }])).rejects.toThrow(
      /already has a token/,
    );
  });

  it('adds nothing when a dividend contract lacks its master or a pool its artist token', async () => {
    await expect(addContracts(database, [TOKEN, DIVIDEND])).rejects.toThrow(/not a registered master contract/);
    await expect(addContracts(database, [MASTER, POOL])).rejects.toThrow(
      /neither .* nor .* is a registered artist token/,
    );
    expect((await loadContracts(database.kysely, CHAIN)).contracts).toEqual([]);
  });

  it('notifies listeners', async () => {
    const client = await database.pool.connect();
    const payloads: (string | undefined)[] = [];
    client.on('notification', ({ payload }) => payloads.push(payload));
    await client.query('listen indexer_contracts');
    await addContracts(database, [MASTER]);
    await addContracts(database, [MASTER]);
    await client.query('select 1');
    client.release(true);
    expect(payloads).toEqual(['8453', '8453']);
  });
});

describe('the registry of a chain', () => {
  it('is loaded with its version, coverage and owner from one snapshot', async () => {
    await addContracts(database, [MASTER]);
    await database.pool.query(
      `insert into indexer.chains (chain_id, head_number, head_hash, live_version) values ($1, 900, '0xaa', 7)`,
      [CHAIN],
    );
    await database.pool.query(`update indexer.contracts set covered = '{[100,201),[300,301)}', live_from = 800`);
    const { liveVersion, contracts } = await loadContracts(database.kysely, CHAIN);
    expect(liveVersion).toBe(7);
    expect(contracts).toMatchObject([
      {
        covered: [
          { from: 100, to: 200 },
          { from: 300, to: 300 },
        ],
        liveFrom: 800,
        status: 'active',
        metadataRead: false,
      },
    ]);
    expect(contracts[0]?.masterId).toEqual(expect.any(String));
  });

  it('is empty for a chain without contracts', async () => {
    await addContracts(database, [MASTER]);
    expect(await loadContracts(database.kysely, 1)).toEqual({ liveVersion: 0, contracts: [] });
  });

  it('keeps a known deployment block', async () => {
    await addContracts(database, [MASTER, { ...TOKEN, fromBlock: undefined }]);
    for (const contract of (await loadContracts(database.kysely, CHAIN)).contracts) {
      await recordDeployment(database.kysely, contract, 55);
    }
    const { contracts } = await loadContracts(database.kysely, CHAIN);
    expect(contracts.map(({ deployedAtBlock }) => deployedAtBlock)).toEqual([100, 55]);
  });

  it('loads with 10,000 contracts', async () => {
    await addContracts(database, [MASTER]);
    await database.pool.query(`
      insert into indexer.contracts (chain_id, address, kind, platform_id, covered)
      select ${CHAIN}, '0x' || lpad(to_hex(n), 40, '0'), 'artist_token', gen_random_uuid(), '{[1,5),[7,9)}'
      from generate_series(1000, 10999) n`);
    expect((await loadContracts(database.kysely, CHAIN)).contracts).toHaveLength(10_001);
  });
});

describe('a platform row inserted while the triggers were missing', () => {
  beforeEach(async () => {
    await addContracts(database, [MASTER, TOKEN]);
    await database.pool.query('delete from indexer.contracts');
  });

  it('is registered, once', async () => {
    expect(await registerPlatformRows(database.kysely)).toEqual([CHAIN]);
    expect(await registerPlatformRows(database.kysely)).toEqual([]);
    const { contracts } = await loadContracts(database.kysely, CHAIN);
    expect(contracts.map(({ kind }) => kind)).toEqual(['master', 'artist_token']);
  });

  it('in checksum case is lower-cased, and rows of non-EVM chains or with invalid addresses are skipped', async () => {
    await database.pool.query('alter table artist_tokens disable trigger user');
    await database.pool.query(`update artist_tokens set contract_address = '0x${'aB'.repeat(20)}'`);
    await database.pool.query(`update master_contracts set chain_id = 'solana-mainnet'`);
    expect(await registerPlatformRows(database.kysely)).toEqual([CHAIN]);
    expect(await rows('select address, kind from indexer.contracts')).toEqual([
      { address: `0x${'ab'.repeat(20)}`, kind: 'artist_token' },
    ]);
    expect(await rows('select contract_address from artist_tokens')).toEqual([
      { contract_address: `0x${'ab'.repeat(20)}` },
    ]);
  });

  it('does not restore a removed contract', async () => {
    await registerPlatformRows(database.kysely);
    await database.pool.query(`update indexer.contracts set status = 'removed'`);
    expect(await registerPlatformRows(database.kysely)).toEqual([]);
    expect(await rows(`select count(*)::int from indexer.contracts where status = 'removed'`)).toEqual([{ count: 2 }]);
  });
});
