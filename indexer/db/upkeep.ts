import type { Logger } from '../observability/log.ts';
import { type AnalyzedTable, analyzeGrowingTables } from './analyze.ts';
import type { Database } from './database.ts';
import { terminateFrozenClients } from './frozen-clients.ts';

/**
 * Analyzes growing tables and terminates frozen clients until the signal aborts. Every process that writes to the database runs this
 * beside its work. Never throws.
 */
export async function runDatabaseUpkeep(
  database: Database,
  tables: readonly AnalyzedTable[],
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    analyzeGrowingTables(database, tables, signal, (error) => log.debug({ err: error }, 'analyzing tables failed')),
    terminateFrozenClients(database, signal, (error) =>
      log.debug({ err: error }, 'checking for frozen database clients failed'),
    ),
  ]);
}
