import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { runSteps } from '../../indexer/db/step.ts';
import { describedTables, factTables, stateTables } from '../../indexer/protocols/protocols.ts';
import { digest } from '../../indexer/verify/digest.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';

let created: TestDatabase;
let database: Database;

beforeAll(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url });
});

afterAll(async () => {
  await database.close();
  await created.drop();
});

test('the digest covers every described table', async () => {
  expect(Object.keys((await digest(database)).tables)).toEqual(describedTables.map(({ name }) => name));
});

test('every table has the columns and readers’ indexes that its description names', async () => {
  for (const table of describedTables) {
    const columns = table.statistics.length === 0 ? '' : `(${table.statistics.join(', ')})`;
    await database.pool.query(`analyze ${table.schema}.${table.name} ${columns}`);
    const { rows } = await database.pool.query<{ name: string }>(
      'select indexname as name from pg_indexes where schemaname = $1 and tablename = $2',
      [table.schema, table.name],
    );
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining([...table.readersIndexes]));
  }
});

test('every reset statement runs', async () => {
  const nothing = database.kysely.selectFrom('indexer.contracts').select('platform_id').where('chain_id', '=', '-1');
  for (const { reset } of stateTables) await runSteps(database.kysely, reset?.(nothing) ?? []);
});

test('every fact table has the columns that are written', async () => {
  for (const { schema, name, columns } of factTables)
    await database.pool.query(`select ${Object.keys(columns).join(', ')} from ${schema}.${name}`);
});
