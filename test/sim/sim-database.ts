import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { createDatabase } from '../kit/postgres.ts';

/** The number of connections that histories share. */
const CONNECTIONS = 16;

/** A new migrated database, its URL and the function that drops it. */
export type SimDatabase = {
  readonly url: string;
  readonly database: Database;
  readonly drop: () => Promise<void>;
};

/**
 * Creates a database that resolves deadlocks after 20 ms. The program retries them, and PostgreSQL's default of one second each
 * would be most of a run. Statements are planned once per connection, since planning takes longer than executing them over so few rows.
 */
export async function createSimDatabase(): Promise<SimDatabase> {
  const { url, drop } = await createDatabase();
  const withTimeout = new URL(url);
  withTimeout.searchParams.set('options', '-c deadlock_timeout=20ms -c plan_cache_mode=force_generic_plan');
  const database = openDatabase({ url: withTimeout.href, maxConnections: CONNECTIONS });
  return {
    url: withTimeout.href,
    database,
    drop: async () => {
      await database.close();
      await drop();
    },
  };
}
