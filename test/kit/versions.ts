import { afterAll, beforeAll, describe, inject } from 'vitest';
import { createEmptyDatabase, type TestDatabase } from './postgres.ts';
import { hasPostgres, type PostgresServer, startPostgres } from './postgres-server.ts';

/** The oldest supported major version of PostgreSQL. */
const OLDEST_VERSION = 15;

/**
 * Runs a suite on the run's PostgreSQL 18 and on the oldest supported version. If that is not installed from Debian's packages, its
 * run is reported as skipped. The suite receives a function that creates an empty database.
 */
export async function onEachVersion(suite: (emptyDatabase: () => Promise<TestDatabase>) => void): Promise<void> {
  describe('PostgreSQL 18', () => suite(() => createEmptyDatabase(inject('postgresUrl'))));
  const installed = await hasPostgres(OLDEST_VERSION);
  const name = `PostgreSQL ${OLDEST_VERSION}${installed ? '' : ' (NOT INSTALLED HERE)'}`;
  describe.skipIf(!installed)(name, () => {
    let server: PostgresServer;
    beforeAll(async () => {
      server = await startPostgres({ version: OLDEST_VERSION, disposable: true });
    });
    afterAll(() => server?.stop());
    suite(() => createEmptyDatabase(server.url));
  });
}
