import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { createDatabase } from '../kit/postgres.ts';
import { SERVER_SETTINGS } from './server-settings.ts';

/** The number of connections that histories share. */
const CONNECTIONS = 16;

/** A new migrated database, its URL and the function that drops it. */
export type SimDatabase = {
  readonly url: string;
  readonly database: Database;
  readonly drop: () => Promise<void>;
};

/** Creates a database whose connections have the settings of the simulation. */
export async function createSimDatabase(): Promise<SimDatabase> {
  const { url, drop } = await createDatabase();
  const withSettings = new URL(url);
  const options = Object.entries(SERVER_SETTINGS).map(([name, value]) => `-c ${name}=${value}`);
  withSettings.searchParams.set('options', options.join(' '));
  const database = openDatabase({ url: withSettings.href, maxConnections: CONNECTIONS });
  return {
    url: withSettings.href,
    database,
    drop: async () => {
      await database.close();
      await drop();
    },
  };
}
