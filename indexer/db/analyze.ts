import { sql } from 'kysely';
import { sleep } from '../kernel/sleep.ts';
import type { Database } from './database.ts';
import { transaction } from './transaction.ts';

const LOOK_INTERVAL_MS = 1_000;
/** A table that grew by less is planned well whatever the planner believes. */
const GROWTH_MIN_ROWS = 1_000;
/** A sample of 300 rows for each: what matters is how large a table is. PostgreSQL's own analyses take a larger one. */
const STATISTICS_TARGET = 10;
/**
 * What the indexer's own statements look rows up by; the columns that nobody looks up by are most of an `analyze`'s cost. For
 * all others PostgreSQL's own analyses go on: one of some columns does not set back what it counts.
 */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  'public.nft_transfers': ['chain_id', 'block_number', 'log_index', 'token_id', 'contract_address', 'transfer_type'],
  'public.token_transfers': ['chain_id', 'block_number', 'log_index', 'artist_token_id'],
  'public.pool_events': ['chain_id', 'block_number', 'log_index', 'liquidity_pool_id'],
  'public.dividend_events': ['chain_id', 'block_number', 'log_index', 'dividend_contract_id'],
  'public.dividend_claims': ['chain_id', 'block_number', 'log_index', 'dividend_contract_id', 'token_id'],
  'public.master_nfts': ['chain_id', 'contract_address', 'token_id', 'master_contract_id'],
  'public.token_holders': ['artist_token_id', 'wallet_address'],
  'public.pool_positions': ['liquidity_pool_id', 'wallet_address'],
  'indexer.contract_events': ['chain_id', 'block_number', 'log_index', 'address', 'kind', 'event', 'position'],
};

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
    where stat.n_live_tup - greatest(class.reltuples, 0) > greatest(${GROWTH_MIN_ROWS}, class.reltuples)
      and (stat.schemaname = 'indexer' or stat.schemaname || '.' || stat.relname = any(${Object.keys(COLUMNS)}::text[]))
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
      const columns = COLUMNS[`${schema}.${name}`];
      const list = columns === undefined ? sql`` : sql` (${sql.join(columns.map((column) => sql.ref(column)))})`;
      await sql`analyze ${sql.table(`${schema}.${name}`)}${list}`.execute(tx);
    }
  });
}
