import type { Logger } from '../observability/log.ts';
import { keepAnalyzed } from './analyze.ts';
import type { Database } from './database.ts';
import { endFrozenClients } from './frozen-clients.ts';

/** What any process that writes does for the database beside its work, until the signal aborts. Never throws. */
export async function keepUp(database: Database, log: Logger, signal: AbortSignal): Promise<void> {
  await Promise.all([
    keepAnalyzed(database, signal, (error) => log.debug({ err: error }, 'cannot analyse')),
    endFrozenClients(database, signal, (error) => log.debug({ err: error }, 'cannot look for frozen clients')),
  ]);
}
