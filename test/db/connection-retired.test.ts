import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { sqlstateOf } from '../../indexer/db/sqlstate.ts';
import { batchTransaction, transaction } from '../../indexer/db/transaction.ts';
import { Failover } from '../kit/failover.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

const CONNECTIONS = 4;

let created: TestDatabase;
let database: Database;
let admin: pg.Client;
let failover: Failover;

beforeEach(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url, maxConnections: CONNECTIONS });
  admin = new pg.Client({ connectionString: created.url });
  await admin.connect();
  await admin.query('create table marks (n int)');
  failover = new Failover(admin);
});

afterEach(async () => {
  await database.close();
  await admin.end();
  await created.drop();
});

const insert = sql`insert into marks values (1)`;
const writes = {
  statement: () => insert.execute(database.kysely),
  transaction: () => transaction(database, (tx) => insert.execute(tx)),
  batch: () => batchTransaction(database, [{ statement: insert }]),
} as const;

/** Opens all connections of both pools, and fails over. */
async function failOver(): Promise<void> {
  await failover.begin();
  for (const pool of [database.pool, database.batchPool]) {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.connect()));
    for (const client of clients) client.release();
  }
  await failover.end();
}

/** Returns the SQLSTATE with which a write fails; undefined if it succeeds. */
async function failureOf(write: () => Promise<unknown>): Promise<string | undefined> {
  return write().then(() => undefined, sqlstateOf);
}

async function expectWritable(): Promise<void> {
  for (let attempt = 0; attempt < 2 * CONNECTIONS; attempt += 1)
    for (const write of Object.values(writes)) expect(await failureOf(write)).toBe(undefined);
}

for (const [name, write] of Object.entries(writes)) {
  test(`after a refused ${name}, no connection from before the failover is used again`, async () => {
    await failOver();
    expect(await failureOf(write)).toBe('25006');
    await expectWritable();
  });
}

test('a transaction that is open when another one is refused ends undisturbed, and its connection is not used again', async () => {
  await failOver();
  const reading = await transaction(database, async (tx) => {
    const pid = async () => (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)).rows[0]?.pid;
    const before = await pid();
    expect(await failureOf(writes.statement)).toBe('25006');
    expect(await pid()).toBe(before);
    return before;
  });
  await expectWritable();
  const { rows } = await admin.query('select from pg_stat_activity where pid = $1', [reading]);
  expect(rows).toEqual([]);
});

test('connections that the server ended fail at most the statements that were sent on them', async () => {
  const ended = transaction(database, async (tx) => {
    await failover.disconnectProgram();
    return insert.execute(tx);
  });
  await expect(ended).rejects.toThrow();
  await until('writes on new connections', () => expectWritable().then(() => true));
});
