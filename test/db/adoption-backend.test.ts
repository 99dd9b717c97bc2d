import { readFile } from 'node:fs/promises';
import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { adoptTables } from '../../indexer/db/adoption/adopt-tables.ts';
import { migrateDown, migrateUp, migrations, planMigrations } from '../../indexer/db/migrate.ts';
import { createBackend, expectMigrated, holdLock, BACKEND_TOKENS as TOKENS } from '../kit/backend.ts';
import { databaseCatalogue } from '../kit/catalogue.ts';
import { runCommand } from '../kit/command-line.ts';
import { ADOPTABLE_FILE, generateAdoptable } from '../kit/generate-adoptable.ts';
import { CHECKSUM_ADDRESS, insertArtist, insertRow } from '../kit/platform-rows.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';
import { onEachVersion } from '../kit/versions.ts';
import { withDatabase } from '../kit/with-database.ts';

const LOWER = CHECKSUM_ADDRESS.toLowerCase();
const quiet = () => undefined;

/** Inserts one token without its contract, as the backend does, and one without its IPO, as the indexer does. */
async function insertTokens(client: pg.Client, masterId: string, ipoId: string): Promise<unknown[]> {
  const token = {
    ...{ master_id: masterId, chain_id: '8453', contract_address: LOWER },
    ...{ current_owner_wallet: LOWER, original_minter_wallet: LOWER },
  };
  const contract = (await client.query('select id from master_contracts')).rows[0].id;
  await insertRow(client, 'master_nfts', { ...token, token_id: TOKENS + 1, master_ipo_id: ipoId });
  await insertRow(client, 'master_nfts', { ...token, token_id: TOKENS + 2, master_contract_id: contract });
  const { rows } = await client.query(
    `select master_contract_id, master_ipo_id from master_nfts where token_id > ${TOKENS} group by 1, 2`,
  );
  await client.query(`delete from master_nfts where token_id > ${TOKENS}`);
  return rows.map(({ master_contract_id, master_ipo_id }) => [
    master_contract_id === contract,
    master_ipo_id === ipoId,
  ]);
}

async function rowsOf(client: pg.Client): Promise<unknown> {
  const { rows } = await client.query(`
    select (select jsonb_agg(to_jsonb(u)) from users u) as users, (select jsonb_agg(to_jsonb(s)) from user_sessions s) as sessions,
      (select count(*)::int from master_nfts where master_ipo_id is not null) as tokens,
      (select jsonb_agg(jsonb_build_object('id', id, 'master', master_id, 'supply', total_supply)) from master_ipos) as ipos`);
  return rows[0];
}

await onEachVersion((emptyDatabase) => {
  test("the backend's twelve tables are adopted with their rows while another session reads them for long", async () => {
    const { url, drop } = await emptyDatabase();
    await withDatabase(Promise.resolve({ url, drop }), async (client, db) => {
      const { masterId, ipoId } = await createBackend(client);
      const before = await rowsOf(client);
      const catalogue = await databaseCatalogue(client);
      const planned = await runCommand(['migrate', 'plan'], { DATABASE_URL: url });
      expect(planned).toMatchObject({ code: 0, err: '' });
      expect(planned.out).toMatch(
        /master_nfts: links the tokens to their contracts \(ROW EXCLUSIVE, updates rows in batches\)/,
      );
      expect(planned.out).toMatch(
        /master_ipos: ACCESS EXCLUSIVE.*writes all rows again: changes total_supply from integer to bigint/,
      );
      expect(planned.out).toMatch(/ master_nfts: ACCESS EXCLUSIVE, about \d+ rows, \d+ bytes$/m);
      expect(await databaseCatalogue(client)).toEqual(catalogue);

      const reader = await holdLock(db, 'master_nfts');
      const blocked: string[] = [];
      const migrated = migrateUp(db, (what) => blocked.push(what));
      await until('the migration to be blocked', () => blocked.length > 1);
      expect(blocked[0]).toContain('master_nfts: adds the columns');
      // While the migration waits for its next attempt, no other statement queues behind its lock request.
      expect((await client.query('select count(*)::int as count from master_nfts')).rows).toEqual([{ count: TOKENS }]);
      await reader.release();
      expect((await migrated).length).toBeGreaterThan(20);

      expect(await rowsOf(client)).toEqual(before);
      expect((await client.query('select chain_id, contract_address, master_id from master_contracts')).rows).toEqual([
        { chain_id: '8453', contract_address: LOWER, master_id: masterId },
      ]);
      expect((await client.query('select kind, address from indexer.contracts')).rows).toEqual([
        { kind: 'master', address: LOWER },
      ]);
      expect(await insertTokens(client, masterId, ipoId)).toEqual([[true, true]]);
      await expectMigrated(client);
      expect((await planMigrations(db)).pending).toEqual([]);

      await migrateDown(db);
      expect(await rowsOf(client)).toEqual(before);
      await migrateUp(db);
      expect(await rowsOf(client)).toEqual(before);
      await expectMigrated(client);
    });
  });
});

test('tokens are lower-cased before the migrations, which write only those whose key exists in two cases', async () => {
  const { url, drop } = await createEmptyDatabase();
  await withDatabase(Promise.resolve({ url, drop }), async (client, db) => {
    const { masterId, ipoId } = await createBackend(client);
    const shouted = CHECKSUM_ADDRESS.toUpperCase().replace('X', 'x');
    const wallets = { current_owner_wallet: CHECKSUM_ADDRESS, original_minter_wallet: CHECKSUM_ADDRESS };
    const insert = (id: number, tokenId: number, contract: string, chainId = '8453') =>
      insertRow(client, 'master_nfts', {
        ...{ id: `00000000-0000-4000-8000-00000000000${id}`, master_id: masterId, master_ipo_id: ipoId, ...wallets },
        ...{ token_id: tokenId, chain_id: chainId, contract_address: contract, mint_tx_hash: `0x${'Ab'.repeat(32)}` },
      });
    await insert(1, TOKENS, LOWER);
    await insert(2, TOKENS + 1, shouted);
    await insert(3, TOKENS + 1, CHECKSUM_ADDRESS);
    await insert(4, 1, '0xAb', 'solana');
    // An earlier adoption was interrupted while it built its index, and another one between two batches.
    await client.query(`
      create index master_nfts_lower_case on master_nfts (id);
      update pg_index set indisvalid = false where indexrelid = 'master_nfts_lower_case'::regclass;
      update master_nfts set contract_address = lower(contract_address) where token_id between 2 and 99`);
    const planned = await runCommand(['migrate', 'plan'], { DATABASE_URL: url });
    expect(planned.out).toMatch(
      /master_nfts: lower-cases the addresses in contract_address, .*mint_tx_hash \(ROW EXCLUSIVE, updates rows in batches\)/,
    );
    const versions = async () =>
      (await client.query('select id, contract_address, xmin::text, ctid::text from master_nfts order by id')).rows;

    await adoptTables(db, quiet, async () => false);
    const adopted = await versions();
    expect(adopted.slice(0, 4).map((row) => row.contract_address)).toEqual([LOWER, shouted, CHECKSUM_ADDRESS, '0xAb']);
    await migrateUp(db);
    const migrated = await versions();
    const written = migrated.filter((row, at) => row.xmin !== adopted[at].xmin || row.ctid !== adopted[at].ctid);
    expect(written.map((row) => [row.id.slice(-1), row.contract_address])).toEqual([['2', LOWER]]);
    const upper = await client.query(`
      select token_id, contract_address from master_nfts
      where concat(contract_address, current_owner_wallet, original_minter_wallet, mint_tx_hash) ~ '[A-F]' order by 1, 2`);
    expect(upper.rows).toEqual([
      { token_id: '1', contract_address: '0xAb' },
      { token_id: String(TOKENS), contract_address: CHECKSUM_ADDRESS },
      { token_id: String(TOKENS + 1), contract_address: CHECKSUM_ADDRESS },
    ]);
    await expectMigrated(client);
  });
});

test('tokens of one contract that belong to several masters are refused, and nothing changes', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    const { ipoId } = await createBackend(client);
    const { masterId } = await insertArtist(client, 'other');
    await client.query('update master_nfts set master_id = $1, master_ipo_id = $2 where token_id = 7', [
      masterId,
      ipoId,
    ]);
    const before = await databaseCatalogue(client);
    await expect(migrateUp(db)).rejects.toThrow(
      `tokens of the contract ${LOWER} on chain 8453 belong to several masters`,
    );
    expect(await databaseCatalogue(client)).toEqual(before);
  });
});

test('an index whose concurrent creation failed is built again, and a row that violates a unique index is named', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createBackend(client);
    await client.query(`
      create index users_created_at_idx on users (created_at);
      update pg_index set indisvalid = false where indexrelid = 'users_created_at_idx'::regclass;
      drop index artists_slug_idx`);
    const userId = await insertRow(client, 'users', { email: 'b@example.com', display_name: 'B' });
    const second = await insertRow(client, 'artists', { user_id: userId, artist_name: 'B', slug: 'artist' });
    await expect(migrateUp(db)).rejects.toThrow(
      /the table artists cannot be adopted: builds the index artists_slug_idx.*\(slug\)=\(artist\)/s,
    );
    await client.query('delete from artists where id = $1', [second]);
    await migrateUp(db);
    expect((await client.query('select indexrelid::regclass from pg_index where not indisvalid')).rows).toEqual([]);
    await expectMigrated(client);
  });
});

test('the plan names the strongest lock that the migrations take on each table', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createBackend(client);
    await adoptTables(db, quiet, async () => false);
    const { adopted } = await planMigrations(db);
    const trial = await db.startTransaction().execute();
    await sql`set local search_path to public`.execute(trial);
    const { error } = await new Migrator({
      db: trial,
      provider: migrations,
      migrationTableSchema: 'indexer',
    }).migrateToLatest();
    expect(error).toBeUndefined();
    const { rows } = await sql<{ table: string; lock: string }>`
      select relname as table, case when bool_or(mode = 'AccessExclusiveLock') then 'ACCESS EXCLUSIVE' else 'SHARE ROW EXCLUSIVE' end as lock
      from pg_locks join pg_class c on c.oid = relation
      where pid = pg_backend_pid() and relname = any(${adopted.map(({ table }) => table)})
        and mode in ('AccessExclusiveLock', 'ShareRowExclusiveLock')
      group by 1`.execute(trial);
    await trial.rollback().execute();
    const planned = new Map(adopted.map(({ table, lock }) => [table, lock as string]));
    for (const { table, lock } of rows) expect(`${table} ${lock}`).toBe(`${table} ${planned.get(table)}`);
    expect(rows.map(({ table }) => table)).toContain('master_nfts');
  });
});

test('the checked-in tables match those that the migrations adopt', async () => {
  await withDatabase(createEmptyDatabase(), async (_, db) => {
    expect(await readFile(ADOPTABLE_FILE, 'utf8'), 'run `npm run codegen`').toBe(await generateAdoptable(db as never));
  });
});
