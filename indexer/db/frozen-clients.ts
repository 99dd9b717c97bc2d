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
  const frozen = new FrozenClients(database, SILENCE_MAX_MS);
  while (!signal.aborted) {
    await frozen.look().catch(onFailure);
    await sleep(LOOK_INTERVAL_MS, signal);
  }
}

/** Remembers from look to look who was waited for, and what of it had come. */
export class FrozenClients {
  readonly #database: Database;
  readonly #silenceMs: number;
  #since = new Map<string, number>();

  constructor(database: Database, silenceMs: number) {
    this.#database = database;
    this.#silenceMs = silenceMs;
  }

  /** Ends who has been silent for so long, and tells how many these were. */
  async look(): Promise<number> {
    const { rows } = await sql<{ pid: number; state: string }>`
      select activity.pid, concat_ws(' ', activity.pid, query_start, bytes_processed) as state
      from pg_stat_activity activity left join pg_stat_progress_copy using (pid)
      where activity.datname = current_database() and usename = current_user
        and application_name = current_setting('application_name') and state = 'active' and wait_event = 'ClientRead'
    `.execute(this.#database.kysely);
    const now = performance.now();
    this.#since = new Map(rows.map(({ state }) => [state, this.#since.get(state) ?? now]));
    const silent = rows.filter(({ state }) => now - (this.#since.get(state) ?? now) >= this.#silenceMs);
    for (const { pid } of silent) await sql`select pg_terminate_backend(${pid})`.execute(this.#database.kysely);
    return silent.length;
  }
}
