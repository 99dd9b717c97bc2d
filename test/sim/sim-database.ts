import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { createDatabase } from '../kit/postgres.ts';

/** Connections that histories share. */
const CONNECTIONS = 16;

/** A migrated database of the test's own, and how to be rid of it. */
export type SimDatabase = { readonly database: Database; readonly drop: () => Promise<void> };

/**
 * Opens a database on which deadlocks are broken at once: they are survived by trying again, and a second of waiting for each, as
 * is PostgreSQL's default, would be most of a run.
 */
export async function createSimDatabase(): Promise<SimDatabase> {
  const { url, drop } = await createDatabase();
  const impatient = new URL(url);
  impatient.searchParams.set('options', '-c deadlock_timeout=20ms');
  const database = openDatabase({ url: impatient.href, maxConnections: CONNECTIONS });
  return {
    database,
    drop: async () => {
      await database.close();
      await drop();
    },
  };
}
