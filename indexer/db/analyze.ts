import { sql } from 'kysely';
import { sleep } from '../kernel/sleep.ts';
import type { Database } from './database.ts';
import { transaction } from './transaction.ts';

const CHECK_INTERVAL_MS = 1_000;
/** Tables that grew by fewer rows are not analyzed, because every plan is fast enough for them. */
const GROWTH_MIN_ROWS = 1_000;
/**
 * With a target of 10, `ANALYZE` samples 3,000 rows. The planner mainly needs the size of the table. Autovacuum analyzes the same tables
 * later with PostgreSQL's larger default.
 */
const STATISTICS_TARGET = 10;
/** A table. Only its columns in `statistics`, by which the program looks up rows, are analyzed. Analyzing others would only take time. */
export type AnalyzedTable = { readonly schema: string; readonly name: string; readonly statistics: readonly string[] };

/**
 * Runs `ANALYZE` on each table of the schema `indexer`, and each given table with `statistics`, whose number of rows has more than
 * doubled since its last `ANALYZE`. Runs until the signal aborts. Never throws.
 *
 * Autovacuum does the same, but only once a minute. Within a minute a table of facts (decoded logs) can grow from zero to two million
 * rows. A plan that was made for the empty table scans the whole table for every block, and a prepared statement keeps that plan until
 * the table is analyzed. One process at a time analyzes; the others do nothing.
 */
export async function analyzeGrowingTables(
  database: Database,
  tables: readonly AnalyzedTable[],
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    await analyzeGrownTables(database, tables).catch((error: unknown) => {
      if (!signal.aborted) onFailure(error);
    });
    await sleep(CHECK_INTERVAL_MS, signal);
  }
}

async function analyzeGrownTables(database: Database, tables: readonly AnalyzedTable[]): Promise<void> {
  const columnsOf = new Map(
    tables
      .filter(({ statistics }) => statistics.length > 0)
      .map(({ schema, name, statistics }) => [`${schema}.${name}`, statistics]),
  );
  const grown = sql<{ schema: string; name: string }>`
    select stat.schemaname as schema, stat.relname as name
    from pg_stat_user_tables stat join pg_class class on class.oid = stat.relid
    where stat.n_live_tup - greatest(class.reltuples, 0) > greatest(${GROWTH_MIN_ROWS}, class.reltuples)
      and (stat.schemaname = 'indexer' or stat.schemaname || '.' || stat.relname = any(${[...columnsOf.keys()]}::text[]))
    order by 1, 2
  `;
  if ((await grown.execute(database.kysely)).rows.length === 0) return;
  await transaction(database, async (tx) => {
    const { rows } = await sql<{ locked: boolean }>`
      select pg_try_advisory_xact_lock(hashtextextended('indexer:analyze', 0)) as locked
    `.execute(tx);
    if (!rows[0]?.locked) return;
    await sql`set local default_statistics_target = ${sql.lit(STATISTICS_TARGET)}`.execute(tx);
    for (const { schema, name } of (await grown.execute(tx)).rows) {
      const columns = columnsOf.get(`${schema}.${name}`);
      const list = columns === undefined ? sql`` : sql` (${sql.join(columns.map((column) => sql.ref(column)))})`;
      await sql`analyze ${sql.table(`${schema}.${name}`)}${list}`.execute(tx);
    }
  });
}
