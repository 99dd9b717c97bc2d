import { sql } from 'kysely';
import { sleep } from '../kernel/sleep.ts';
import type { Database } from './database.ts';

const LOOK_INTERVAL_MS = 10_000;
/** Longer than it takes to send what is at hand, over a slow network too. */
const SILENCE_MAX_MS = 60_000;

/**
 * Ends, until the signal aborts, the connections of processes that stopped in the middle of what they were sending (frozen, or
 * their host): while PostgreSQL reads a `COPY` none of its own timeouts runs, and what the transaction has locked would stay so,
 * the chain included. Never throws.
 */
export async function endFrozenClients(
  database: Database,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(LOOK_INTERVAL_MS, signal);
    if (signal.aborted) return;
    await endSilent(database, SILENCE_MAX_MS).catch(onFailure);
  }
}

/** Ends who has been silent for so long, and tells how many these were. */
export async function endSilent(database: Database, silenceMs: number): Promise<number> {
  const { rows } = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and application_name = current_setting('application_name')
      and state = 'active' and wait_event = 'ClientRead'
      and query_start < clock_timestamp() - ${silenceMs} * interval '1 millisecond'
  `.execute(database.kysely);
  return rows.length;
}
