import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Step } from '../../indexer/db/step.ts';
import { batchTransaction } from '../../indexer/db/transaction.ts';
import { commitHead, commitStart } from '../../indexer/ingest/commit-head.ts';
import type { BlockHeader } from '../../indexer/kernel/chain.ts';
import { HeadMoved } from '../../indexer/kernel/errors.ts';
import { type ChainState, readChain } from '../../indexer/progress/chains.ts';
import { blockHashOf } from '../kit/event-logs.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

let created: TestDatabase;
let database: Database;

beforeAll(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url, maxConnections: 6 });
  await database.pool.query('create table line (number integer primary key, word text)');
});

afterAll(async () => {
  await database.close();
  await created.drop();
});

const insert = (number: number, word: string | null = null): Step => ({
  statement: sql`insert into line (number, word) values (${number}, ${word})`,
});

async function lines(): Promise<readonly unknown[]> {
  const { rows } = await database.pool.query('select number, word from line order by number');
  await database.pool.query('delete from line');
  return rows;
}

test('all steps of a batch are committed together, repeatedly over the same connection', async () => {
  for (let turn = 0; turn < 3; turn++) {
    await batchTransaction(database, [insert(1, 'one'), insert(2), insert(3, 'a\'b"c\\')]);
    expect(await lines()).toEqual([
      { number: 1, word: 'one' },
      { number: 2, word: null },
      { number: 3, word: 'a\'b"c\\' },
    ]);
  }
  await batchTransaction(database, []);
  expect(await lines()).toEqual([]);
});

test('a step that fails rolls the batch back, its error is thrown unchanged, and the connection stays usable', async () => {
  await expect(batchTransaction(database, [insert(1), insert(1), insert(2)])).rejects.toMatchObject({ code: '23505' });
  expect(await lines()).toEqual([]);
  const unknownTable = { statement: sql`insert into nowhere values (1)` };
  await expect(batchTransaction(database, [insert(1), unknownTable, insert(4, 'new')])).rejects.toMatchObject({
    code: '42P01',
  });
  await batchTransaction(database, [insert(4, 'new')]);
  expect(await lines()).toEqual([{ number: 4, word: 'new' }]);
});

test('a failure of the COMMIT itself is thrown', async () => {
  await database.pool.query('create table other (line integer references line deferrable initially deferred)');
  const dangling = { statement: sql`insert into other values (7)` };
  await expect(batchTransaction(database, [insert(1), dangling])).rejects.toMatchObject({ code: '23503' });
  expect(await lines()).toEqual([]);
});

test('a step that refuses throws its own error, and the COMMIT sent in the same packet has no effect', async () => {
  const refusingStep = { statement: sql`select indexer.refuse()`, refusal: () => new HeadMoved('no') };
  await expect(batchTransaction(database, [insert(1), refusingStep, insert(2)])).rejects.toThrow(HeadMoved);
  expect(await lines()).toEqual([]);
});

test('an answer that arrives after the client timed out is not taken for the answer to the next batch', async () => {
  const impatient = new pg.Pool({ connectionString: created.url, max: 1, query_timeout: 3_000 });
  const slow = { statement: sql`insert into line select 1 from pg_sleep(3.3)` };
  try {
    const withTimeout = { ...database, batchPool: impatient };
    // The server commits the slow statement nevertheless.
    await expect(batchTransaction(withTimeout, [slow])).rejects.toThrow('timeout');
    for (const number of [2, 3, 4]) await batchTransaction(withTimeout, [insert(number)]);
  } finally {
    await impatient.end();
  }
  expect(await lines()).toEqual([1, 2, 3, 4].map((number) => ({ number, word: null })));
});

test('the server detects a client that disappears or freezes in the middle of a packet', async () => {
  const client = await database.batchPool.connect();
  try {
    const setting = async (name: string) => (await client.query(`show ${name}`)).rows[0]?.[name];
    expect(await setting('tcp_keepalives_idle')).toBe('15');
    expect(await setting('transaction_timeout')).toBe('1min');
  } finally {
    client.release();
  }
});

const header = (number: number): BlockHeader => ({
  ...{ number, hash: blockHashOf(number), parentHash: blockHashOf(number - 1) },
  ...{ timestamp: 1_700_000_000 + number, logsBloom: '0x' },
});

/** Returns the commit of a block without logs whose parent is, or will be, the head. */
function commitOf(seen: ChainState, number: number) {
  const range = { chainId: seen.chainId, from: number, to: number, headers: [header(number)] };
  const batch = { contracts: [], tables: [], quarantined: [] };
  const before = { ...seen, head: { number: number - 1, hash: blockHashOf(number - 1) } };
  return { seen: before, range, batch, finalized: 0, joining: [] };
}

/** Locks the head of a chain until `release` is called. `isAwaitedBy` checks how many commits wait for a lock. */
async function lockHead(chainId: number) {
  const client = await database.pool.connect();
  await client.query('begin');
  await client.query(`select from indexer.chains where chain_id = ${chainId} for update`);
  return {
    isAwaitedBy: async (count: number) => {
      const { rows } = await database.pool.query(
        "select count(*)::int as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      return rows[0]?.waiting === count;
    },
    release: async () => {
      await client.query('commit');
      client.release();
    },
  };
}

test('a commit waits for the commit of its parent block and then succeeds', async () => {
  await commitStart(database, await readChain(database.kysely, 1), header(10), 10);
  const seen = await readChain(database.kysely, 1);
  const head = await lockHead(1);
  const first = commitHead(database, commitOf(seen, 11));
  await until('the first commit to wait', () => head.isAwaitedBy(1));
  const second = commitHead(database, commitOf(seen, 12));
  await until('both commits to wait', () => head.isAwaitedBy(2));
  await head.release();
  expect(await Promise.all([first, second])).toEqual([0, 0]);
  expect((await readChain(database.kysely, 1)).head?.number).toBe(12);
});

test('a commit fails when the commit of its parent block fails', async () => {
  await commitStart(database, await readChain(database.kysely, 2), header(10), 10);
  const seen = await readChain(database.kysely, 2);
  const head = await lockHead(2);
  const first = commitHead(database, { ...commitOf(seen, 11), seen: { ...seen, epoch: 5 } });
  const firstResult = Promise.allSettled([first]);
  await until('the first commit to wait', () => head.isAwaitedBy(1));
  const second = commitHead(database, commitOf(seen, 12));
  const secondResult = Promise.allSettled([second]);
  await until('both commits to wait', () => head.isAwaitedBy(2));
  await head.release();
  const reasons = [...(await firstResult), ...(await secondResult)].map(
    (result) => (result as PromiseRejectedResult).reason,
  );
  for (const reason of reasons) expect(reason).toBeInstanceOf(HeadMoved);
  expect((await readChain(database.kysely, 2)).head?.number).toBe(10);
  const { rows } = await database.pool.query('select number from indexer.block_checkpoints where chain_id = 2');
  expect(rows).toEqual([{ number: '10' }]);
});

test('a commit waits for the disk unless the next block waits already', async () => {
  const { pool } = database;
  await commitStart(database, await readChain(database.kysely, 3), header(10), 10);
  await pool.query(`
    create table seen_setting (head bigint, setting text);
    create function note_setting() returns trigger language plpgsql as $$
    begin
      insert into seen_setting values (new.head_number, current_setting('synchronous_commit'));
      return null;
    end $$;
    create trigger note_setting after update on indexer.chains for each row execute function note_setting()`);
  const sync = openDatabase({ url: withOptions(created.url, '-c synchronous_commit=on') });
  try {
    for (const [number, isLast] of [
      [11, false],
      [12, true],
      [13, undefined],
    ] as const) {
      const commit = commitOf(await readChain(database.kysely, 3), number);
      await commitHead(sync, isLast === undefined ? commit : { ...commit, isLast });
    }
  } finally {
    await sync.close();
    await pool.query('drop function note_setting cascade');
  }
  const { rows } = await pool.query<{ setting: string }>('select setting from seen_setting order by head');
  expect(rows.map(({ setting }) => setting)).toEqual(['off', 'on', 'on']);
});

function withOptions(url: string, options: string): string {
  const target = new URL(url);
  target.searchParams.set('options', options);
  return target.href;
}
