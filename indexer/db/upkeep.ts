import type { Logger } from '../observability/log.ts';
import { type AnalyzedTable, keepAnalyzed } from './analyze.ts';
import type { Database } from './database.ts';
import { endFrozenClients } from './frozen-clients.ts';

/** Does what any process that writes does for the database beside its work, until the signal aborts. Never throws. */
export async function keepUp(
  database: Database,
  tables: readonly AnalyzedTable[],
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    keepAnalyzed(database, tables, signal, (error) => log.debug({ err: error }, 'analyzing tables failed')),
    endFrozenClients(database, signal, (error) => log.debug({ err: error }, 'looking for frozen clients failed')),
  ]);
}
