import { sql } from 'kysely';
import { sleep } from '../kernel/sleep.ts';
import type { Database } from './database.ts';
import { transaction } from './transaction.ts';

const LOOK_INTERVAL_MS = 1_000;
/** A table that grew by less is planned well whatever the planner believes. */
const GROWTH_MIN_ROWS = 1_000;
/** A sample of 300 rows for each: what matters is how large a table is. PostgreSQL's own analyses take a larger one. */
const STATISTICS_TARGET = 10;
/** Tables to analyze by some columns only: those that the program's statements look rows up by are a small part of the cost. */
export type AnalyzedTable = { readonly schema: string; readonly name: string; readonly statistics: readonly string[] };

/**
 * Tells PostgreSQL anew how large the indexed tables are whenever one has doubled, until the signal aborts. Never throws.
 *
 * Autovacuum does so too, but looks once a minute, and a plan that was made for an empty table reads all of it for every
 * block: in a minute a table of facts grows from nothing to two million rows. Statements are prepared, so the plan stays until
 * the table is analysed. One process does it at a time; the others find nothing to do.
 */
export async function keepAnalyzed(
  database: Database,
  tables: readonly AnalyzedTable[],
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    await analyzeGrown(database, tables).catch((error: unknown) => {
      if (!signal.aborted) onFailure(error);
    });
    await sleep(LOOK_INTERVAL_MS, signal);
  }
}

async function analyzeGrown(database: Database, tables: readonly AnalyzedTable[]): Promise<void> {
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
