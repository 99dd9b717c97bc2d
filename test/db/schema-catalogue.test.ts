import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { acceptedCorrections, databaseCatalogue, differences, platformCatalogue } from '../kit/catalogue.ts';
import { generateTypes, TYPES_FILE } from '../kit/generate-types.ts';
import { createDatabase } from '../kit/postgres.ts';
import { onEachVersion } from '../kit/versions.ts';
import { withDatabase } from '../kit/with-database.ts';

await onEachVersion((emptyDatabase) => {
  test('the migrated database equals the catalogue with the accepted corrections', async () => {
    await withDatabase(emptyDatabase(), async (client, db) => {
      await migrateUp(db);
      expect(differences(platformCatalogue(), await databaseCatalogue(client))).toEqual(acceptedCorrections());
    });
  });

  test('the machinery has its own schema', async () => {
    await withDatabase(emptyDatabase(), async (client, db) => {
      await migrateUp(db);
      const { rows } = await client.query<{ schema: string; tables: number }>(`
        select table_schema as schema, count(*)::int as tables from information_schema.tables
        where table_schema in ('public', 'indexer') and table_type = 'BASE TABLE' group by 1 order by 1
      `);
      expect(rows).toEqual([
        { schema: 'indexer', tables: 31 },
        { schema: 'public', tables: 43 },
      ]);
    });
  });
});

test('ids of state rows are derived from their key', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const { rows } = await client.query("select indexer.derived_id('a') as a, indexer.derived_id('b') as b");
    expect(rows).toEqual([{ a: '0cc175b9-c0f1-b6a8-31c3-99e269772661', b: '92eb5ffe-e6ae-2fec-3ad7-1c777531578f' }]);
  });
});

test('comments mark the columns that mirror the chain', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const { rows } = await client.query<{ column: string; mark: string | null }>(`
      select format('%s.%s', a.attrelid::regclass, a.attname) as column,
        substring(col_description(a.attrelid, a.attnum) from '^\\[[A-Z-]+\\]') as mark
      from pg_attribute a where a.attrelid in (select oid from pg_class where relkind = 'r'
        and relnamespace in ('public'::regnamespace, 'indexer'::regnamespace)) and a.attnum > 0 and not a.attisdropped
    `);
    const marks = new Map(rows.map(({ column, mark }) => [column, mark]));
    expect(marks.get('nft_transfers.block_hash')).toBe('[ON-CHAIN]');
    expect(marks.get('token_transfers.value')).toBe('[ON-CHAIN]');
    expect(marks.get('artist_tokens.symbol')).toBe('[ON-CHAIN]');
    expect(marks.get('token_holders.balance')).toBe('[DERIVED]');
    expect(marks.get('master_nfts.current_owner_wallet')).toBe('[DERIVED]');
    expect(marks.get('masters.title')).toBeNull();
    expect(marks.get('master_nfts.listing_status')).toBeNull();
    // These columns place a fact in the chain. Every fact table must mark them.
    for (const table of ['nft_transfers', 'token_transfers', 'pool_events', 'dividend_events', 'dividend_claims']) {
      for (const column of ['chain_id', 'tx_hash', 'block_number', 'block_hash', 'log_index', 'block_timestamp']) {
        expect(marks.get(`${table}.${column}`), `${table}.${column}`).toBe('[ON-CHAIN]');
      }
      expect(marks.get(`${table}.position`)).toBe('[DERIVED]');
    }
  });
});

test('the checked-in types match the migrated database', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const url = `postgres://postgres:${client.password}@${client.host}:${client.port}/${client.database}`;
    expect(await readFile(TYPES_FILE, 'utf8'), 'run `npm run codegen`').toBe(await generateTypes(url));
  });
});
