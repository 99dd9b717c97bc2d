import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import { expect } from 'vitest';
import type { DB } from '../../indexer/db/schema.ts';
import { createPlatformCatalogue, databaseCatalogue, differences } from './catalogue.ts';
import { CHECKSUM_ADDRESS, insertArtist, insertRow } from './platform-rows.ts';
import { createDatabase } from './postgres.ts';
import { withDatabase } from './with-database.ts';

/** Number of tokens in the backend's database. They are so many that the program links them in several batches. */
export const BACKEND_TOKENS = 6_000;

/** Creates the twelve tables of the platform's backend, with an IPO and its tokens. Returns the ids that tokens refer to. */
export async function createBackend(client: pg.Client): Promise<{ masterId: string; ipoId: string }> {
  await createPlatformCatalogue(client, 'backend');
  const { masterId } = await insertArtist(client);
  const ipoId = await insertRow(client, 'master_ipos', { master_id: masterId, total_supply: BACKEND_TOKENS });
  await client.query(
    `insert into master_nfts (master_id, master_ipo_id, token_id, chain_id, contract_address, current_owner_wallet, original_minter_wallet)
     select $1, $2, token, '8453', $3, $3, $3 from generate_series(1, ${BACKEND_TOKENS}) as token`,
    [masterId, ipoId, CHECKSUM_ADDRESS],
  );
  await insertRow(client, 'user_sessions', {
    ...{
      user_id: (await client.query('select id from users')).rows[0].id,
      refresh_token: 'secret',
      expires_at: new Date(0),
    },
  });
  return { masterId, ipoId };
}

/** Expects the same tables as in an empty database after migration, apart from the tables and columns that only the backend has. */
export async function expectMigrated(client: pg.Client): Promise<void> {
  await withDatabase(createDatabase(), async (reference) => {
    const found = differences(await databaseCatalogue(reference), await databaseCatalogue(client));
    expect(
      found.filter(({ object }) => !/(magic_link_tokens|user_sessions)/.test(object)).map(({ object }) => object),
    ).toEqual([
      'column master_ipos.chain_id',
      'column master_ipos.contract_address',
      'column master_nfts.master_ipo_id',
      'foreign key master_nfts.master_ipo_id',
    ]);
  });
}

/** Locks a table as a reader does (`access share`) until `release` is called. */
export async function holdLock(db: Kysely<DB>, table: string): Promise<{ release(): Promise<void> }> {
  const held = await db.startTransaction().execute();
  await sql`lock table ${sql.ref(table)} in access share mode`.execute(held);
  return { release: () => held.commit().execute() };
}
