import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { newestAdministrativeEvents } from '../../indexer/protocols/administrative-events.ts';
import { ALARM_LEVELS } from '../../indexer/protocols/shared/administration.ts';
import { addressOf, hexOf } from '../kit/event-logs.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';

let created: TestDatabase;
let database: Database;

beforeAll(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url });
  await database.pool.query('insert into indexer.chains (chain_id) values (1), (2), (3)');
  await insertEvents(1, 'Minted', 1, 3_000);
  await insertEvents(1, 'Paused', 4_000, 1);
  await insertEvents(1, 'RoleGranted', 5_000, 7);
  await insertEvents(2, 'Upgraded', 9, 1);
});

afterAll(async () => {
  await database.close();
  await created.drop();
});

async function insertEvents(chain: number, event: string, block: number, count: number): Promise<void> {
  await database.pool.query(
    `insert into indexer.contract_events
      (id, chain_id, address, kind, event, arguments, tx_hash, block_number, block_hash, log_index, block_timestamp)
    select gen_random_uuid(), $1, $2, 'master', $3, '{"account": "0xaa"}', $4, block, $4, 0, now()
    from generate_series($5::int, $5::int + $6::int - 1) block`,
    [chain, addressOf(7), event, hexOf(1, 64), block, count],
  );
}

test('the newest administrative events of each chain are found, newest first', async () => {
  const found = await newestAdministrativeEvents(database.kysely);
  expect([...found.keys()]).toEqual([1, 2]);
  expect(found.get(1)?.map(({ block, event, alarm }) => [block, event, alarm])).toEqual(
    [5_006, 5_005, 5_004, 5_003, 5_002].map((block) => [block, 'RoleGranted', 'high']),
  );
  expect(found.get(2)).toEqual([
    {
      ...{ alarm: 'critical', event: 'Upgraded', kind: 'master', address: addressOf(7), block: 9 },
      ...{ transaction: hexOf(1, 64), arguments: { account: '0xaa' } },
    },
  ]);
});

test('the partial index holds every event with an alarm level', async () => {
  const { rows } = await database.pool.query<{ definition: string }>(
    `select indexdef as definition from pg_indexes where indexname = 'contract_events_administration_idx'`,
  );
  const indexed = [...(rows[0]?.definition ?? '').matchAll(/'(\w+)'/g)].map(([, name]) => name);
  expect(indexed.sort()).toEqual(Object.keys(ALARM_LEVELS).sort());
});
