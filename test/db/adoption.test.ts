import type pg from 'pg';
import { expect, test } from 'vitest';
import { adoptTables } from '../../indexer/db/adoption/adopt-tables.ts';
import { assertSchemaCurrent, migrateDown, migrateUp } from '../../indexer/db/migrate.ts';
import { SchemaVersionError } from '../../indexer/kernel/errors.ts';
import {
  acceptedCorrections,
  type Catalogue,
  catalogueRows,
  createPlatformCatalogue,
  databaseCatalogue,
  differences,
  platformCatalogue,
} from '../kit/catalogue.ts';
import { runCommand } from '../kit/command-line.ts';
import { CHECKSUM_ADDRESS, insertRow, insertRowEverywhere, tablesByReference } from '../kit/platform-rows.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { onEachVersion } from '../kit/versions.ts';
import { withDatabase } from '../kit/with-database.ts';

const LOWER = CHECKSUM_ADDRESS.toLowerCase();
const OTHER = `0x${'Cd'.repeat(20)}`;

/** Reads every row of the platform's tables in the platform's columns, as lower-case text because adoption lower-cases addresses. */
async function platformRows(client: pg.Client): Promise<Map<string, string[]>> {
  const contents = new Map<string, string[]>();
  const columns = Map.groupBy(catalogueRows('columns'), ({ table }) => table);
  for (const table of tablesByReference()) {
    const list = columns.get(table)?.map(({ column }) => `"${column}"`);
    const { rows } = await client.query<{ row: string }>(
      `select lower(to_jsonb(t)::text) as row from (select ${list?.join(', ')} from ${table}) t order by 1`,
    );
    contents.set(
      table,
      rows.map(({ row }) => row),
    );
  }
  return contents;
}

await onEachVersion((emptyDatabase) => {
  test("the platform's own database is adopted and corrected, and keeps its rows through up, down and up", async () => {
    await withDatabase(emptyDatabase(), async (client, db) => {
      await createPlatformCatalogue(client);
      await insertRowEverywhere(client);
      const before = await platformRows(client);
      expect([...before.values()].every((rows) => rows.length === 1)).toBe(true);

      await migrateUp(db);
      expect(await platformRows(client)).toEqual(before);
      expect(differences(platformCatalogue(), await databaseCatalogue(client))).toEqual(acceptedCorrections());

      await migrateDown(db);
      expect(await platformRows(client)).toEqual(before);
      expect(differences(platformCatalogue(), await databaseCatalogue(client))).toEqual([]);

      await migrateUp(db);
      await assertSchemaCurrent(db);
      expect(await platformRows(client)).toEqual(before);
      expect(differences(platformCatalogue(), await databaseCatalogue(client))).toEqual(acceptedCorrections());
    });
  });
});

test('addresses in checksum case are lower-cased, and contracts are registered', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createPlatformCatalogue(client);
    const ids = await insertRowEverywhere(client);
    await adoptTables(
      db,
      () => undefined,
      async () => false,
    );
    const beforeMigrations = await client.query(`
      select n.contract_address || n.current_owner_wallet || s.owner_wallet || t.from_wallet || h.wallet_address || p.wallet_address
        || b.wallet_address || e.sender || d.claimant_wallet || c.wallet_address as addresses
      from master_nfts n, nft_ownership_snapshots s, nft_transfers t, token_holders h, pool_positions p,
        wallet_dividend_balances b, pool_events e, dividend_events d, dividend_claims c`);
    expect(beforeMigrations.rows, 'tables that can be large').toEqual([{ addresses: LOWER.repeat(10) }]);
    await migrateUp(db);
    const { rows } = await client.query(`
      select n.contract_address, n.current_owner_wallet, t.tx_hash, t.from_wallet, h.wallet_address, b.wallet_address as payee
      from master_nfts n, nft_transfers t, token_holders h, wallet_dividend_balances b
    `);
    expect(rows).toEqual([
      {
        contract_address: LOWER,
        current_owner_wallet: LOWER,
        tx_hash: `0x${'ab'.repeat(32)}`,
        from_wallet: LOWER,
        wallet_address: LOWER,
        payee: LOWER,
      },
    ]);
    const registered = await client.query(
      'select kind, address, platform_id, abi_version from indexer.contracts order by 1',
    );
    expect(registered.rows).toEqual([
      { kind: 'artist_token', address: LOWER, platform_id: ids.get('artist_tokens'), abi_version: '1.0' },
      { kind: 'dividend', address: LOWER, platform_id: ids.get('dividend_contracts'), abi_version: '1.0' },
      { kind: 'master', address: LOWER, platform_id: ids.get('master_contracts'), abi_version: 'abi_version' },
      { kind: 'pool', address: LOWER, platform_id: ids.get('liquidity_pools'), abi_version: '1.0' },
    ]);
    const wallets = await client.query('select wallet_address from user_wallets');
    expect(wallets.rows, "the platform's own tables are not touched").toEqual([{ wallet_address: CHECKSUM_ADDRESS }]);
  });
});

test('two rows with one address in different cases are both kept', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createPlatformCatalogue(client);
    const ids = await insertRowEverywhere(client);
    const holder = { artist_token_id: ids.get('artist_tokens'), chain_id: '1' };
    await insertRow(client, 'token_holders', { ...holder, wallet_address: LOWER });
    for (const wallet of [OTHER, OTHER.toUpperCase().replace('X', 'x')]) {
      await insertRow(client, 'token_holders', { ...holder, wallet_address: wallet });
    }
    await migrateUp(db);
    const { rows } = await client.query('select wallet_address from token_holders order by wallet_address');
    const wallets = rows.map(({ wallet_address: wallet }) => wallet);
    expect(wallets).toHaveLength(4);
    expect(wallets).toContain(CHECKSUM_ADDRESS);
    expect(wallets).toContain(LOWER);
    expect(wallets).toContain(OTHER.toLowerCase());
  });
});

test('migrating down keeps values that the catalogue could not hold', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createPlatformCatalogue(client);
    const ids = await insertRowEverywhere(client);
    await migrateUp(db);
    const fact = { chain_id: '1', tx_hash: '0x01', block_number: 5, block_timestamp: new Date(0), block_hash: '0x02' };
    for (const logIndex of [0, 0xff_ff_ff_e2]) {
      await insertRow(client, 'pool_events', {
        ...fact,
        log_index: logIndex,
        liquidity_pool_id: ids.get('liquidity_pools'),
        artist_token_id: ids.get('artist_tokens'),
        event_type: 'swap',
        pool_address: LOWER,
      });
    }
    const huge = '9'.repeat(100);
    await client.query('update token_holders set balance = $1', [huge]);
    await client.query('update dividend_claims set currency = $1, master_id = null', [LOWER]);
    const before = await platformRows(client);
    expect(before.get('pool_events')).toHaveLength(3);

    await migrateDown(db);
    expect(await platformRows(client)).toEqual(before);
    const remaining = differences(platformCatalogue(), await databaseCatalogue(client));
    expect(remaining.map(({ object }) => object)).toEqual([
      'column dividend_claims.currency',
      'column dividend_claims.master_id',
      'column pool_events.block_hash',
      'column pool_events.log_index',
      'column token_holders.balance',
      'index pool_events_tx_idx',
    ]);
    await migrateUp(db);
    expect(await platformRows(client)).toEqual(before);
    const { rows } = await client.query('select position from pool_events where position is not null order by 1');
    expect(rows).toEqual([{ position: String(5n << 32n) }, { position: String((5n << 32n) + 0xff_ff_ff_e2n) }]);
  });
});

test('a partial catalogue is adopted and completed, and migrating down drops only what was created', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createPlatformCatalogue(client);
    for (const table of tablesByReference().toReversed()) {
      if (table !== 'users' && table !== 'roles') await client.query(`drop table ${table}`);
    }
    await client.query('drop index users_email_idx; drop type pool_type');
    await insertRow(client, 'users', { email: 'a@example.com', display_name: 'A' });
    const before = await databaseCatalogue(client);
    await migrateUp(db);
    expect(differences(platformCatalogue(), await databaseCatalogue(client))).toEqual(acceptedCorrections());
    await migrateDown(db);
    expect(differences(before, await databaseCatalogue(client))).toEqual([]);
    expect((await client.query('select email from users')).rows).toEqual([{ email: 'a@example.com' }]);
  });
});

test('unique indexes that the platform created as constraints are adopted', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createPlatformCatalogue(client);
    await client.query(`
      drop index pool_events_tx_idx, pool_positions_pool_wallet_idx;
      alter table pool_events add constraint pool_events_tx_idx unique (tx_hash);
      alter table pool_positions add constraint pool_positions_pool_wallet_idx unique (liquidity_pool_id, wallet_address)
    `);
    await migrateUp(db);
    expect(differences(platformCatalogue(), await databaseCatalogue(client))).toEqual(acceptedCorrections());
  });
});

test.each([
  [
    'alter table users drop column display_name, drop column bio',
    /the table users has rows and lacks the required columns display_name;/,
  ],
  ['alter type pool_type rename value $$orca$$ to $$whale$$', /the enum pool_type lacks the values orca/],
  [
    'alter table token_holders add column shard integer not null; alter table users add column shard integer not null default 1',
    /the table token_holders requires the column shard.*run: alter table token_holders alter column shard drop not null$/,
  ],
])('a database that differs from the catalogue is refused and left unchanged: %s', async (change, message) => {
  const { url, drop } = await createEmptyDatabase();
  await withDatabase(Promise.resolve({ url, drop }), async (client, db) => {
    await createPlatformCatalogue(client);
    await insertRow(client, 'users', { email: 'a@example.com', display_name: 'A' });
    await client.query(change.replaceAll('$$', "'"));
    const before: Catalogue = await databaseCatalogue(client);
    await expect(migrateUp(db)).rejects.toThrow(message);
    await expect(migrateUp(db)).rejects.toThrow(SchemaVersionError);
    const planned = await runCommand(['migrate', 'plan'], { DATABASE_URL: url });
    expect(planned).toMatchObject({ code: 1, out: expect.stringMatching(/^cannot be adopted: the (table|enum) /) });
    expect(await databaseCatalogue(client)).toEqual(before);
    expect((await client.query("select from pg_namespace where nspname = 'indexer'")).rowCount).toBe(0);
  });
});
