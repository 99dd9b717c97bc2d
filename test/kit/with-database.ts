import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { DB } from '../../indexer/db/schema.ts';
import type { TestDatabase } from './postgres.ts';
import { database } from './scene.ts';

/** Runs a test with a client and a Kysely instance for a database. Closes both and drops the database afterwards. */
export async function withDatabase(
  database: Promise<TestDatabase>,
  test: (client: pg.Client, db: Kysely<DB>) => Promise<void>,
): Promise<void> {
  const { url, drop } = await database;
  const client = new pg.Client({ connectionString: url });
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }) });
  try {
    await client.connect();
    await test(client, db);
  } finally {
    await client.end();
    await db.destroy();
    await drop();
  }
}

/** Runs a test with the program's own connections to a new migrated database, and a pool beside them. Closes both. */
export async function withOpenDatabase(test: (open: Database, db: pg.Pool) => Promise<void>): Promise<void> {
  const { url, db } = await database();
  const open = openDatabase({ url, maxConnections: 3 });
  try {
    await test(open, db);
  } finally {
    await open.close();
  }
}
