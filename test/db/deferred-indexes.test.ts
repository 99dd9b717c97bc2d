import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import {
  buildDeferredIndexes,
  countDeferredIndexes,
  deferIndexes as defer,
} from '../../indexer/db/deferred-indexes.ts';
import { migrateDown, migrateUp, migrationStatus } from '../../indexer/db/migrate.ts';
import { describedTables, loadedTables } from '../../indexer/protocols/protocols.ts';
import { indexesOf } from '../kit/indexes.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { HANG_TIMEOUT_MS, until } from '../kit/until.ts';

let created: TestDatabase;
let database: Database;
let before: readonly string[];

beforeEach(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url, maxConnections: 6 });
  before = await indexesOf(database.pool);
});

afterEach(async () => {
  await database.close();
  await created.drop();
});

/** Defers the same indexes as the program does. */
const deferIndexes = (open: Database) => defer(open, describedTables, loadedTables);

const neverAborted = new AbortController().signal;

async function insertTransfer(): Promise<void> {
  await database.pool.query(
    `insert into token_transfers (id, artist_token_id, chain_id, contract_address, from_wallet, to_wallet, value, tx_hash,
       block_number, block_hash, log_index, block_timestamp)
     values (gen_random_uuid(), gen_random_uuid(), '1', '0xa', '0xb', '0xc', 1, '0xd', 1, '0xe', 0, now())`,
  );
}

test('indexes that only readers use are dropped from empty tables and rebuilt unchanged', async () => {
  const dropped = await deferIndexes(database);
  expect(dropped).toBeGreaterThan(20);
  expect(await countDeferredIndexes(database.kysely)).toBe(dropped);
  const remaining = await indexesOf(database.pool);
  expect(remaining).toHaveLength(before.length - dropped);
  // Unique indexes, and indexes that commits and unwinds use, are kept.
  expect(
    before
      .filter((index) => !remaining.includes(index))
      .filter((index) => /UNIQUE|mints|movers|master_nft_id/.test(index)),
  ).toEqual([]);
  expect(await deferIndexes(database)).toBe(0);
  await insertTransfer();
  expect(await buildDeferredIndexes(database, neverAborted)).toBe(dropped);
  expect(await indexesOf(database.pool)).toEqual(before);
  expect(await countDeferredIndexes(database.kysely)).toBe(0);
  expect(await buildDeferredIndexes(database, neverAborted)).toBe(0);
});

test('no index is dropped once any table of facts holds a row', async () => {
  await insertTransfer();
  expect(await deferIndexes(database)).toBe(0);
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('a table in which the platform has rows keeps its indexes', async () => {
  // Foreign keys are not checked, so the rows that it refers to need not exist.
  await database.pool.query(`
    begin; set local session_replication_role = replica;
    insert into token_holders (artist_token_id, wallet_address, chain_id) values (gen_random_uuid(), '0xa', '1');
    commit`);
  expect(await deferIndexes(database)).toBeGreaterThan(0);
  const remaining = await indexesOf(database.pool);
  const ofTokenHolders = (indexes: readonly string[]) =>
    indexes.filter((index) => index.includes(' public.token_holders '));
  expect(ofTokenHolders(remaining)).toEqual(ofTokenHolders(before));
});

test('a load does not wait for a reader of a table and drops no index', async () => {
  const reader = await database.pool.connect();
  await reader.query('begin; select count(*) from pool_events');
  // The reader's transaction stays open until the load has given up on dropping.
  expect(await deferIndexes(database)).toBe(0);
  await reader.query('rollback');
  reader.release();
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('a role that does not own the tables drops no index', async () => {
  await database.pool.query(`
    create role loader login password 'loader';
    grant usage on schema indexer to loader;
    grant all on all tables in schema public, indexer to loader`);
  const url = Object.assign(new URL(created.url), { username: 'loader', password: 'loader' });
  const other = openDatabase({ url: url.href, maxConnections: 2 });
  try {
    expect(await deferIndexes(other)).toBe(0);
  } finally {
    await other.close();
    await database.pool.query('drop owned by loader; drop role loader');
  }
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('an index left invalid by an interrupted build is rebuilt, and one that another process built is recognised', async () => {
  await deferIndexes(database);
  await insertTransfer();
  const { rows } = await database.pool.query<{ definition: string }>(
    "select definition from indexer.deferred_indexes where name like '%token_transfers_%' order by name",
  );
  const [first, second] = rows.map(({ definition }) => definition);
  for (const definition of [first, second]) await database.pool.query(definition as string);
  await database.pool.query(
    "update pg_index set indisvalid = false where indexrelid = 'token_transfers_from_wallet_idx'::regclass",
  );
  await buildDeferredIndexes(database, neverAborted);
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('after a crash between building an index and deleting its note, a load into empty tables defers the index again', async () => {
  const dropped = await deferIndexes(database);
  const { rows } = await database.pool.query<{ definition: string }>(
    'select definition from indexer.deferred_indexes order by name limit 1',
  );
  await database.pool.query(rows[0]?.definition as string);
  expect(await deferIndexes(database)).toBe(1);
  expect(await countDeferredIndexes(database.kysely)).toBe(dropped);
  await buildDeferredIndexes(database, neverAborted);
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('an index that another process is building is left to it, and is not dropped by a load that begins meanwhile', async () => {
  const dropped = await deferIndexes(database);
  const name = 'public.token_transfers_from_wallet_idx';
  const other = new pg.Client({ connectionString: created.url });
  await other.connect();
  await other.query("select pg_advisory_lock(hashtextextended('indexer:index:' || $1, 0))", [name]);
  const { rows } = await other.query('select definition from indexer.deferred_indexes where name = $1', [name]);
  expect(await buildDeferredIndexes(database, neverAborted)).toBe(dropped - 1);
  expect(await countDeferredIndexes(database.kysely)).toBe(1);
  await other.query(rows[0].definition);
  await deferIndexes(database);
  await other.query('delete from indexer.deferred_indexes where name = $1', [name]);
  await other.end();
  await buildDeferredIndexes(database, neverAborted);
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('two processes that build at the same time build each index once', async () => {
  const dropped = await deferIndexes(database);
  const other = openDatabase({ url: created.url, maxConnections: 4 });
  try {
    const built = await Promise.all([
      buildDeferredIndexes(database, neverAborted),
      buildDeferredIndexes(other, neverAborted),
    ]);
    expect(built.reduce((sum, count) => sum + count, 0)).toBe(dropped);
  } finally {
    await other.close();
  }
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('indexes of small tables are built while a long transaction reads, and other writers go on while one writes', async () => {
  const dropped = await deferIndexes(database);
  const [reader, writer] = [0, 1].map(() => new pg.Client({ connectionString: created.url })) as [pg.Client, pg.Client];
  await Promise.all([reader.connect(), writer.connect()]);
  try {
    // A concurrent build would wait for this snapshot.
    await reader.query('begin isolation level repeatable read; select count(*) from token_transfers');
    await writer.query('begin; lock table nft_transfers in row exclusive mode');
    const building = buildDeferredIndexes(database, neverAborted);
    await until('all other indexes', async () => {
      const { rows } = await database.pool.query<{ name: string }>('select name from indexer.deferred_indexes');
      return rows.every(({ name }) => name.startsWith('public.nft_transfers'));
    });
    expect(await countDeferredIndexes(database.kysely)).toBeGreaterThan(0);
    await database.pool.query('begin; lock table nft_transfers in row exclusive mode; commit');
    await Promise.all([reader.query('commit'), writer.query('commit')]);
    expect(await building).toBe(dropped);
  } finally {
    await Promise.all([reader.end(), writer.end()]);
  }
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('an aborted build leaves the remaining indexes to the next build', async () => {
  await deferIndexes(database);
  const stop = new AbortController();
  // Blocks the first index build on the table.
  const writer = new pg.Client({ connectionString: created.url });
  await writer.connect();
  await writer.query('begin; lock table nft_transfers in row exclusive mode');
  const building = buildDeferredIndexes(database, stop.signal);
  building.catch(() => undefined);
  try {
    // Not asked on the writer's connection, because a transaction keeps its first snapshot of pg_stat_activity.
    await until('the first build to wait for the writer', async () => {
      const { rows } = await database.pool.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'CREATE INDEX%'",
      );
      return rows.length > 0;
    });
    stop.abort();
    await expect(building).rejects.toThrow();
  } finally {
    await writer.end();
  }
  expect(await countDeferredIndexes(database.kysely)).toBeGreaterThan(0);
  await expect
    .poll(() => buildDeferredIndexes(database, neverAborted).then(() => countDeferredIndexes(database.kysely)), {
      timeout: HANG_TIMEOUT_MS,
    })
    .toBe(0);
  expect(await indexesOf(database.pool)).toEqual(before);
});

test('a build that is aborted before it begins releases its connection', async () => {
  await deferIndexes(database);
  const stop = new AbortController();
  const building = buildDeferredIndexes(database, stop.signal);
  stop.abort();
  await expect(building).rejects.toThrow();
  await expect.poll(() => database.pool.totalCount - database.pool.idleCount, { timeout: HANG_TIMEOUT_MS }).toBe(0);
});

test('reverting the migration builds the deferred indexes first', async () => {
  const newer = (await migrationStatus(database.kysely)).filter(({ name }) => name >= '0012');
  await migrateDown(database.kysely, newer.length);
  const reverted = await indexesOf(database.pool);
  await migrateUp(database.kysely);
  await deferIndexes(database);
  await migrateDown(database.kysely, newer.length);
  expect(await indexesOf(database.pool)).toEqual(reverted);
  await migrateUp(database.kysely);
  expect(await indexesOf(database.pool)).toEqual(before);
});
