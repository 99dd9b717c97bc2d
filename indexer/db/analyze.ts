import { sql } from 'kysely';
import { sleep } from '../kernel/sleep.ts';
import type { Database } from './database.ts';
import { transaction } from './transaction.ts';

const LOOK_INTERVAL_MS = 1_000;
/** A table that grew by less is planned well whatever the planner believes. */
const GROWTH_MIN_ROWS = 1_000;

/**
 * Tells PostgreSQL anew how large the indexed tables are whenever one has doubled, until the signal aborts. Never throws.
 *
 * Autovacuum does so too, but looks once a minute, and a plan that was made for an empty table reads all of it for every
 * block: in a minute a table of facts grows from nothing to two million rows. Statements are prepared, so the plan stays until
 * the table is analysed. One process does it at a time; the others find nothing to do.
 */
export async function keepAnalyzed(
  database: Database,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    await analyzeGrown(database).catch((error: unknown) => {
      if (!signal.aborted) onFailure(error);
    });
    await sleep(LOOK_INTERVAL_MS, signal);
  }
}

async function analyzeGrown(database: Database): Promise<void> {
  const grown = sql<{ schema: string; name: string }>`
    select stat.schemaname as schema, stat.relname as name
    from pg_stat_user_tables stat join pg_class class on class.oid = stat.relid
    where stat.n_mod_since_analyze > greatest(${GROWTH_MIN_ROWS}, class.reltuples)
      and (stat.schemaname = 'indexer' or stat.schemaname = 'public' and stat.relname in (
        'nft_transfers', 'token_transfers', 'pool_events', 'dividend_events', 'dividend_claims',
        'master_nfts', 'token_holders', 'pool_positions'))
    order by 1, 2
  `;
  if ((await grown.execute(database.kysely)).rows.length === 0) return;
  await transaction(database, async (tx) => {
    const { rows } = await sql<{ locked: boolean }>`
      select pg_try_advisory_xact_lock(hashtextextended('indexer:analyze', 0)) as locked
    `.execute(tx);
    if (!rows[0]?.locked) return;
    for (const { schema, name } of (await grown.execute(tx)).rows)
      await sql`analyze ${sql.table(`${schema}.${name}`)}`.execute(tx);
  });
}
