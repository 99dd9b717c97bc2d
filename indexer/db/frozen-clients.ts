import { sql } from 'kysely';
import { sleep } from '../kernel/sleep.ts';
import type { Database } from './database.ts';

const CHECK_INTERVAL_MS = 10_000;
/** A live client sends the rest of its data sooner, even over a slow network. */
const SILENCE_MAX_MS = 60_000;

/**
 * Terminates, until the signal aborts, the connections of clients that froze while they were sending data. No timeout of PostgreSQL
 * runs while it waits for data of a `COPY`, so the transaction would hold its locks, including that of the chain, for good. Never
 * throws.
 */
export async function terminateFrozenClients(
  database: Database,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const frozen = new FrozenClients(database, SILENCE_MAX_MS);
  while (!signal.aborted) {
    await frozen.terminate().catch(onFailure);
    await sleep(CHECK_INTERVAL_MS, signal);
  }
}

/** Tracks since when PostgreSQL has been waiting for data of each client without progress. */
export class FrozenClients {
  readonly #database: Database;
  readonly #silenceMs: number;
  #since = new Map<string, number>();

  constructor(database: Database, silenceMs: number) {
    this.#database = database;
    this.#silenceMs = silenceMs;
  }

  /** Terminates the connections that have sent nothing for longer than the limit. Returns their number. */
  async terminate(): Promise<number> {
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
