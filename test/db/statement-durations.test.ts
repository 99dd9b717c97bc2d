import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { batchTransaction, transaction } from '../../indexer/db/transaction.ts';
import { createDatabase } from '../kit/postgres.ts';

test('db_query_duration_seconds counts statements outside transactions, except those of pages and metrics', async () => {
  const created = await createDatabase();
  onTestFinished(() => created.drop());
  const seconds: number[] = [];
  const database = openDatabase({ url: created.url, onStatement: (duration) => seconds.push(duration) });
  try {
    const statement = sql`select 1`;
    await transaction(database, (tx) => statement.execute(tx));
    await batchTransaction(database, [{ statement }]);
    await statement.execute(database.monitoring);
    expect(seconds).toEqual([]);
    await statement.execute(database.kysely);
    expect(seconds).toEqual([expect.any(Number)]);
  } finally {
    await database.close();
  }
});
