import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { transaction } from '../../indexer/db/transaction.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';

/** Number of parts. Together they hold more text than the socket buffers of the kernel. */
const PARTS = 30;
const PART_ROWS = 1_000;

let created: TestDatabase;
let database: Database;

beforeAll(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url, maxConnections: 1 });
  await database.pool.query('create table line (number integer primary key, word text)');
});

afterAll(async () => {
  await database.close();
  await created.drop();
});

function textOf(part: number): Buffer {
  const rows = Array.from({ length: PART_ROWS }, (_, at) => `${part * PART_ROWS + at}\t${'w'.repeat(490)}\n`);
  return Buffer.from(rows.join(''));
}

test('a COPY that fails while its text is being sent is rejected, and its connection stays usable', async () => {
  const texts = Array.from({ length: PARTS }, (_, part) => textOf(part));
  await database.pool.query('insert into line values (0)');
  const unhandled: unknown[] = [];
  const recordError = (error: unknown) => unhandled.push(error);
  process.on('uncaughtExceptionMonitor', recordError);
  try {
    for (let turn = 0; turn < 2; turn++) {
      const copying = transaction(database, async (_, copy) => copy('line', ['number', 'word'], texts));
      await expect(copying).rejects.toMatchObject({ code: '23505' });
    }
    await database.pool.query('delete from line');
    await transaction(database, async (_, copy) => copy('line', ['number', 'word'], texts));
    const { rows } = await database.pool.query('select count(*)::int as lines from line');
    expect(rows).toEqual([{ lines: PARTS * PART_ROWS }]);
  } finally {
    process.off('uncaughtExceptionMonitor', recordError);
  }
  expect(unhandled).toEqual([]);
});
