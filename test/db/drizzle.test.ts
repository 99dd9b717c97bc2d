import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { generateDrizzleJson, generateMigration, pushSchema } from 'drizzle-kit/api';
import { eq } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { pgTable, uuid } from 'drizzle-orm/pg-core';
import type { Kysely } from 'kysely';
import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { migrateUp } from '../../indexer/db/migrate.ts';
import type { DB } from '../../indexer/db/schema.ts';
import * as ours from '../../indexer/drizzle/generated/schema.ts';
import { databaseCatalogue, differences } from '../kit/catalogue.ts';
import { DRIZZLE_FILE, generateDrizzle } from '../kit/generate-drizzle.ts';
import { platformDefinitions } from '../kit/platform-drizzle.ts';
import { CHECKSUM_ADDRESS, insertArtist, insertRow, insertRowEverywhere } from '../kit/platform-rows.ts';
import * as extended from '../kit/platform-schema.ts';
import { createDatabase, createEmptyDatabase, type TestDatabase } from '../kit/postgres.ts';
import { onEachVersion } from '../kit/versions.ts';
import { withDatabase } from '../kit/with-database.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Matches the configuration file that docs/schema.md recommends. */
const CONFIGURATION = /```ts\n\/\/ drizzle\.config\.ts\n(.*?)```/s;
const PACKAGES = ['drizzle-orm', 'drizzle-kit', 'pg'];
const LARGEST_BIGINT = 2n ** 63n - 1n;
const LARGEST_UINT256 = (2n ** 256n - 1n).toString();

type Target = {
  readonly client: pg.Client;
  readonly db: Kysely<DB>;
  readonly orm: NodePgDatabase;
  readonly url: string;
};

/** Runs a test with Drizzle's and other connections to a database. Closes them and drops the database afterwards. */
async function withDrizzle(database: Promise<TestDatabase>, run: (target: Target) => Promise<void>): Promise<void> {
  const { url, drop } = await database;
  await withDatabase(Promise.resolve({ url, drop }), async (client, db) => {
    const pool = new pg.Pool({ connectionString: url });
    try {
      await run({ client, db, orm: drizzle(pool), url });
    } finally {
      await pool.end();
    }
  });
}

/** Returns what `drizzle-kit push` would do to a database. */
async function push(orm: NodePgDatabase, definitions: Readonly<Record<string, unknown>>) {
  return pushSchema({ ...definitions }, orm, ['public']);
}

await onEachVersion((emptyDatabase) => {
  test('push proposes nothing with our definitions for an adopted database', async () => {
    await withDrizzle(emptyDatabase(), async ({ client, db, orm }) => {
      await (await push(orm, platformDefinitions('catalogue'))).apply();
      await insertRowEverywhere(client);
      await migrateUp(db);
      expect(await push(orm, ours)).toMatchObject({ statementsToExecute: [], warnings: [], hasDataLoss: false });
    });
  });
});

test("push with the platform's own definitions proposes nothing for its database, and to narrow, drop or truncate tables of an adopted one", async () => {
  await withDrizzle(createEmptyDatabase(), async ({ client, db, orm }) => {
    const platform = platformDefinitions('catalogue');
    await (await push(orm, platform)).apply();
    await insertRowEverywhere(client);
    // The platform's definitions describe exactly its own database.
    expect(await push(orm, platform)).toMatchObject({ statementsToExecute: [], warnings: [], hasDataLoss: false });
    await migrateUp(db);

    const destructive = await push(orm, platform);
    expect(destructive.hasDataLoss).toBe(true);
    expect(destructive.statementsToExecute).toEqual(
      expect.arrayContaining([
        'ALTER TABLE "nft_transfers" ALTER COLUMN "sale_currency" SET DATA TYPE varchar(20);',
        'DROP TABLE "token_transfers" CASCADE;',
        'DROP VIEW "public"."indexing_progress";',
        'ALTER TABLE "nft_transfers" DROP COLUMN "block_hash";',
      ]),
    );
    // A column that the backend requires and the mirror does not have.
    const columns = { ...ours.masterNftsColumns, masterIpoId: uuid('master_ipo_id').notNull() };
    const masterNfts = pgTable('master_nfts', columns, ours.masterNftsConstraints);
    expect((await push(orm, { ...ours, masterNfts })).statementsToExecute).toContain(
      'truncate table "master_nfts" cascade;',
    );
  });
});

test('the checked-in Drizzle definitions match the migrated database', async () => {
  await withDatabase(createDatabase(), async (_client, db) => {
    expect(await readFile(DRIZZLE_FILE, 'utf8'), 'run `npm run codegen`').toBe(await generateDrizzle(db));
  });
});

test('the definitions lack only what Drizzle cannot express', async () => {
  await withDatabase(createEmptyDatabase(), async (defined) => {
    const statements = await generateMigration(generateDrizzleJson({}), generateDrizzleJson({ ...ours }));
    for (const statement of statements) await defined.query(statement);
    await withDatabase(createDatabase(), async (migrated) => {
      const lacking = differences(await databaseCatalogue(migrated), await databaseCatalogue(defined)).filter(
        ({ platform, migrated: text }) => platform !== text?.replace("'0'::numeric", '0'),
      );
      expect(lacking).toEqual([
        {
          object: 'foreign key nft_transfers.master_nft_id',
          platform: 'references master_nfts(id) on delete no action deferrable',
          migrated: 'references master_nfts(id) on delete no action',
        },
        {
          object: 'index pool_positions_pool_wallet_idx',
          platform:
            'unique on pool_positions (liquidity_pool_id, wallet_address, tick_lower, tick_upper) nulls not distinct',
          migrated: 'unique on pool_positions (liquidity_pool_id, wallet_address, tick_lower, tick_upper)',
        },
      ]);
    });
  });
});

test('no digit of a large number is lost in a select or an insert through drizzle-orm', async () => {
  await withDrizzle(createDatabase(), async ({ client, orm }) => {
    const { masterId } = await insertArtist(client);
    const wallet = CHECKSUM_ADDRESS.toLowerCase();
    await orm.insert(ours.masterIpos).values({ masterId, totalSupply: LARGEST_BIGINT });
    const [ipo] = await orm.select().from(ours.masterIpos).where(eq(ours.masterIpos.totalSupply, LARGEST_BIGINT));
    expect(ipo).toMatchObject({ masterId, totalSupply: LARGEST_BIGINT, mintedSupply: 0n, status: 'draft' });

    const contract = { masterId, chainId: '8453', contractAddress: CHECKSUM_ADDRESS };
    const [master] = await orm.insert(ours.masterContracts).values(contract).returning();
    expect(master).toMatchObject({ contractAddress: wallet, currentSupply: 0n });
    const place = { masterId, chainId: '8453', contractAddress: wallet };
    const token = { ...place, tokenId: LARGEST_UINT256, currentOwnerWallet: wallet, originalMinterWallet: wallet };
    const [nft] = await orm
      .insert(ours.masterNfts)
      .values({ ...token, masterContractId: master!.id })
      .returning();
    expect(nft?.tokenId).toBe(LARGEST_UINT256);
    const transfer = { ...place, masterNftId: nft!.id, tokenId: LARGEST_UINT256, fromWallet: wallet, toWallet: wallet };
    const origin = { txHash: '0x00', blockNumber: '2147483647', logIndex: 2n ** 32n - 1n, blockTimestamp: new Date(0) };
    await orm.insert(ours.nftTransfers).values({ ...transfer, ...origin, transferType: 'mint' });
    const [row] = await orm.select().from(ours.nftTransfers).where(eq(ours.nftTransfers.position, LARGEST_BIGINT));
    expect(row).toMatchObject({ ...transfer, ...origin, position: LARGEST_BIGINT });
    expect(await orm.select().from(ours.indexingProgress)).toMatchObject([
      { chainId: '8453', contractAddress: wallet },
    ]);
  });
});

/** Creates a project that uses the built package as docs/schema.md says, until the test ends. Returns its folder. */
async function createProject(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'indexer-drizzle-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'node_modules'));
  for (const name of PACKAGES) await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  const installed = join(dirname(inject('program')), '../..');
  await symlink(installed, join(folder, 'node_modules/audifi-indexer'));
  const schema = await readFile(join(ROOT, 'test/kit/platform-schema.ts'), 'utf8');
  const importing = schema.replaceAll('../../indexer/drizzle/generated/schema.ts', 'audifi-indexer/drizzle');
  await mkdir(join(folder, 'src/db'), { recursive: true });
  await writeFile(join(folder, 'src/db/schema.ts'), importing);
  const [, config = ''] = CONFIGURATION.exec(await readFile(join(ROOT, 'docs/schema.md'), 'utf8')) ?? [];
  await writeFile(join(folder, 'drizzle.config.ts'), config);
  return folder;
}

test("the command finds nothing to push in the backend's adopted database when the platform extends our definitions", async () => {
  await withDrizzle(createEmptyDatabase(), async ({ client, db, orm, url }) => {
    const backend = platformDefinitions('backend');
    await (await push(orm, backend)).apply();
    const { masterId } = await insertArtist(client);
    await insertRow(client, 'master_ipos', { master_id: masterId, total_supply: 1 });
    const userId = (await client.query('select id from users')).rows[0].id;
    await insertRow(client, 'user_sessions', { user_id: userId, refresh_token: 'secret', expires_at: new Date(0) });
    expect(await push(orm, backend)).toMatchObject({ statementsToExecute: [] });
    await migrateUp(db);
    const narrowing = 'ALTER TABLE "master_ipos" ALTER COLUMN "total_supply" SET DATA TYPE integer;';
    expect((await push(orm, backend)).statementsToExecute).toContain(narrowing);
    // Definitions that leave out the backend's own tables and columns would drop these.
    expect((await push(orm, ours)).statementsToExecute).toContain('DROP TABLE "user_sessions" CASCADE;');
    expect(await push(orm, extended)).toMatchObject({ statementsToExecute: [], warnings: [] });

    const folder = await createProject();
    const command = join(folder, 'node_modules/drizzle-kit/bin.cjs');
    const run = (...args: string[]) =>
      promisify(execFile)(process.execPath, [command, ...args], { cwd: folder, env: { DATABASE_URL: url } });
    expect((await run('push', '--strict', '--verbose')).stdout).toContain('No changes detected');
    expect((await run('generate')).stdout).toContain('Your SQL migration file');
    expect((await run('generate')).stdout).toContain('No schema changes');
  });
});
