import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { toMultirange, union } from '../../indexer/kernel/ranges.ts';
import { completeTo } from '../../indexer/progress/contract-coverage.ts';
import { saveProgress } from '../../indexer/registry/save-progress.ts';
import { addressOf, hexOf } from '../kit/event-logs.ts';
import { announce } from '../kit/music.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { seededRandom } from '../kit/random.ts';

const CHAIN = 1;
const RANDOM_CASES = 200;
const BLOCKS = 40;
const HEAD = 20;
const signal = new AbortController().signal;

let created: TestDatabase;
let database: Database;

beforeEach(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url });
  const { pool } = database;
  const artist = await insertArtist(pool);
  const contract = (kind: 'master' | 'dividend' | 'artist_token', value: number) =>
    announce(pool, artist, { kind, chainId: CHAIN, address: addressOf(value), block: 5 });
  await contract('master', 1);
  await contract('dividend', 2);
  const token = await contract('artist_token', 3);
  await announce(pool, artist, { kind: 'pool', chainId: CHAIN, address: addressOf(4), block: 5, token });
  await pool.query(`insert into indexer.chains (chain_id, head_number, head_hash) values (${CHAIN}, ${HEAD}, '0x01')
    on conflict (chain_id) do update set head_number = excluded.head_number, head_hash = excluded.head_hash`);
  await pool.query(
    `insert into indexer.block_checkpoints (chain_id, number, hash, parent_hash, timestamp)
    select ${CHAIN}, number, '${hexOf(1, 64)}', '${hexOf(2, 64)}', to_timestamp(1000 + number) from unnest('{7,10,20}'::int[]) number`,
  );
});

afterEach(async () => {
  await database.close();
  await created.drop();
});

const rows = async (text: string) => (await database.pool.query(text)).rows;

/** Holds the lock of the chain's leader until the test ends. */
async function lead(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: created.url });
  await client.connect();
  await client.query(`select pg_advisory_lock(hashtextextended('indexer:leader:${CHAIN}', 0))`);
  return client;
}

test('the view and the formula of coverage agree in random cases', async () => {
  const leader = await lead();
  const random = seededRandom(1);
  for (let done = 0; done < RANDOM_CASES; done += 1) {
    const covered = union(
      Array.from({ length: random.below(5) }, () => {
        const from = random.below(BLOCKS);
        return { from, to: from + random.below(6) };
      }),
    );
    const liveFrom = random.below(3) === 0 ? null : random.below(BLOCKS);
    const deployedAtBlock = random.below(4) === 0 ? null : random.below(BLOCKS);
    const head = random.below(BLOCKS);
    await sql`update indexer.chains set head_number = ${head}`.execute(database.kysely);
    await sql`
      update indexer.contracts set covered = ${toMultirange(covered)}::int8multirange, live_from = ${liveFrom}, deployed_at_block = ${deployedAtBlock}
    `.execute(database.kysely);
    const complete = completeTo({ covered, liveFrom, deployedAtBlock }, head);
    const isLive = liveFrom !== null && liveFrom <= head && (complete ?? (deployedAtBlock ?? 0) - 1) >= head;
    const expected = { block: complete === null ? null : String(complete), status: isLive ? 'live' : 'syncing' };
    expect(
      await rows('select distinct last_indexed_block as block, status from indexing_progress'),
      `covered ${toMultirange(covered)}, live from ${liveFrom}, deployed at ${deployedAtBlock}, head ${head}`,
    ).toEqual([expected]);
  }
  await leader.end();
});

test('the status says whether a contract is live, syncing, paused or in error', async () => {
  const statuses = async () =>
    Object.fromEntries((await rows('select kind, status from indexing_progress')).map((row) => [row.kind, row.status]));
  await database.pool.query(`
    update indexer.contracts set live_from = 5;
    update indexer.contracts set live_from = 9 where kind = 'dividend';
    update indexer.contracts set status = 'quarantined' where kind = 'artist_token';
    update indexer.contracts set status = 'removed' where kind = 'pool'`);
  const paused = { master: 'paused', dividend: 'paused', artist_token: 'error', pool: 'paused' };
  expect(await statuses()).toEqual(paused);
  const leader = await lead();
  expect(await statuses()).toEqual({ ...paused, master: 'live', dividend: 'syncing' });
  await database.pool.query(`update indexer.chains set status = 'halted'`);
  expect(new Set(Object.values(await statuses()))).toEqual(new Set(['error']));
  await leader.end();
});

const PLATFORM_ROWS = `
  select 'master' as kind, last_indexed_block::int as block, extract(epoch from last_indexed_at)::int as time, xmin::text from master_contracts
  union all select 'dividend', last_indexed_block::int, extract(epoch from last_indexed_at)::int, xmin::text from dividend_contracts
  union all select 'artist_token', last_indexed_block::int, extract(epoch from last_indexed_at)::int, xmin::text from artist_tokens
  union all select 'pool', last_indexed_block::int, extract(epoch from last_indexed_at)::int, xmin::text from liquidity_pools
  order by kind`;

test('the platform’s rows follow the view, and only rows that differ are written', async () => {
  await database.pool.query(`
    update indexer.contracts set live_from = 5;
    update indexer.contracts set live_from = null, covered = '{[5,12)}' where kind = 'dividend';
    update indexer.contracts set live_from = 9 where kind = 'pool'`);
  await saveProgress(database.kysely, CHAIN, signal);
  const before = await rows(PLATFORM_ROWS);
  expect(before).toMatchObject([
    { kind: 'artist_token', block: 20, time: 1_020 },
    { kind: 'dividend', block: 11, time: 1_010 },
    { kind: 'master', block: 20, time: 1_020 },
    { kind: 'pool', block: null, time: null },
  ]);
  await saveProgress(database.kysely, CHAIN, signal);
  expect(await rows(PLATFORM_ROWS), 'nothing changed').toEqual(before);
  await database.pool.query(`update indexer.contracts set covered = '{}', live_from = null where kind = 'master'`);
  await saveProgress(database.kysely, CHAIN, signal);
  const after = await rows(PLATFORM_ROWS);
  expect(after[2], 'history that is read again lowers it').toMatchObject({ kind: 'master', block: null, time: null });
  expect(after.toSpliced(2, 1)).toEqual(before.toSpliced(2, 1));
});

test('a row that a commit holds is left to the next call', async () => {
  await database.pool.query('update indexer.contracts set live_from = 5');
  const commit = new pg.Client({ connectionString: created.url });
  await commit.connect();
  await commit.query('begin');
  await commit.query('select from master_contracts for no key update');
  await saveProgress(database.kysely, CHAIN, signal);
  expect((await rows(PLATFORM_ROWS)).map(({ block }) => block)).toEqual([20, 20, null, 20]);
  await commit.end();
  await saveProgress(database.kysely, CHAIN, signal);
  expect((await rows(PLATFORM_ROWS)).map(({ block }) => block)).toEqual([20, 20, 20, 20]);
});
