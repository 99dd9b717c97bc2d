import { sql } from 'kysely';
import { sleep } from '../kernel/sleep.ts';
import type { Database } from './database.ts';

const CHECK_INTERVAL_MS = 500;
/** How long a client may be silent inside a transaction. A live client sends the rest of its data sooner, even over a slow network. */
const SILENCE_MAX_MS = 60_000;
/**
 * How long a client may be silent while its open transaction holds a lock that another client waits for. A live client sends its next
 * statement much sooner. If a live client is terminated nevertheless, it repeats its transaction. The limit is short enough for another
 * process to take over the work of a frozen process within 5 s.
 */
const BLOCKING_SILENCE_MAX_MS = 2_000;

/**
 * Terminates the connections of clients that froze or lost their network inside a transaction, because their locks would block other
 * processes. Runs until the signal aborts. Never throws.
 *
 * PostgreSQL's own timeouts are not enough. The statement timeout and the timeout of idle transactions do not run while PostgreSQL waits
 * for data of a `COPY` or for the rest of a batch. Between statements that are sent one by one, the timeout of idle transactions runs, but
 * its 15 s are too long, because another process must replace the frozen one within 5 s.
 */
export async function terminateFrozenClients(
  database: Database,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const frozen = new FrozenClients(database, { silenceMs: SILENCE_MAX_MS, blockingSilenceMs: BLOCKING_SILENCE_MAX_MS });
  while (!signal.aborted) {
    await frozen.terminate().catch(onFailure);
    await sleep(CHECK_INTERVAL_MS, signal);
  }
}

/** How long a client may be silent inside a transaction, and how long if it blocks another client. */
type Patience = { readonly silenceMs: number; readonly blockingSilenceMs: number };

/** Tracks since when PostgreSQL has been waiting for data of each client without progress. */
export class FrozenClients {
  readonly #database: Database;
  readonly #patience: Patience;
  #since = new Map<string, number>();

  constructor(database: Database, patience: Patience) {
    this.#database = database;
    this.#patience = patience;
  }

  /** Terminates the connections of clients that have been silent for longer than `Patience` allows. Returns their number. */
  async terminate(): Promise<number> {
    // PostgreSQL itself ends idle transactions, so an idle transaction matters here only if it blocks other clients. Locks on tables are
    // ignored, because long reads hold them and only maintenance waits for them.
    const { rows } = await sql<{ pid: number; state: string; isBlocking: boolean }>`
      with blocking as materialized (
        select distinct unnest(pg_blocking_pids(pid)) as pid from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and wait_event in ('transactionid', 'tuple', 'advisory')
      )
      select activity.pid, concat_ws(' ', activity.pid, state_change, query_start, bytes_processed) as state,
        blocking.pid is not null as "isBlocking"
      from pg_stat_activity activity left join pg_stat_progress_copy using (pid) left join blocking using (pid)
      where activity.datname = current_database() and usename = current_user
        and application_name = current_setting('application_name') and wait_event = 'ClientRead'
        and (state = 'active' or state like 'idle in transaction%')
    `.execute(this.#database.kysely);
    const now = performance.now();
    this.#since = new Map(rows.map(({ state }) => [state, this.#since.get(state) ?? now]));
    const { silenceMs, blockingSilenceMs } = this.#patience;
    const silent = rows.filter(
      ({ state, isBlocking }) => now - (this.#since.get(state) ?? now) >= (isBlocking ? blockingSilenceMs : silenceMs),
    );
    for (const { pid } of silent) await sql`select pg_terminate_backend(${pid})`.execute(this.#database.kysely);
    return silent.length;
  }
}
