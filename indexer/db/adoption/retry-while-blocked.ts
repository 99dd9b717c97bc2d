import { messageOf, SchemaVersionError } from '../../kernel/errors.ts';
import { type Backoff, backoffMs } from '../../kernel/retry.ts';
import { sleep } from '../../kernel/sleep.ts';
import { SQLSTATE, sqlstateOf } from '../sqlstate.ts';

/** How long a change of a table waits for a lock. Other statements on the table queue for the lock during this time. */
export const LOCK_TIMEOUT_MS = 2_000;
/** The maximum number of attempts at a change while other sessions keep the table locked. All attempts take about ten minutes. */
const ATTEMPTS_MAX = 100;
const BACKOFF: Backoff = { baseMs: 500, maxMs: 5_000 };

/** Called when a lock was not available. `what` names the work that needs the lock. The next attempt begins after `retryInMs`. */
export type OnBlocked = (what: string, retryInMs: number) => void;

/**
 * Runs `work`, and repeats it while other sessions hold a lock that it needs. `work` must be safe to repeat after it failed.
 *
 * @throws {SchemaVersionError} after `ATTEMPTS_MAX` attempts
 */
export async function retryWhileBlocked<T>(what: string, onBlocked: OnBlocked, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isBlocked(error)) throw error;
      if (attempt === ATTEMPTS_MAX) {
        throw new SchemaVersionError(
          `other sessions keep a lock that is needed (${what}); end them, see pg_stat_activity and pg_blocking_pids`,
          { cause: error },
        );
      }
      const retryInMs = backoffMs(attempt, BACKOFF, Math.random);
      onBlocked(what, retryInMs);
      await sleep(retryInMs);
    }
  }
}

/**
 * Returns whether an error means that another session blocked the work. A deadlock counts, too. So does a concurrent change of one row of
 * PostgreSQL's catalogue, for example by the session of a killed process; PostgreSQL has no SQLSTATE of its own for this error.
 */
function isBlocked(error: unknown): boolean {
  const raised = sqlstateOf(error) === undefined && error instanceof Error ? error.cause : error;
  const state = sqlstateOf(raised);
  if (state === SQLSTATE.internalError) return /^tuple concurrently (?:updated|deleted)$/.test(messageOf(raised));
  return state === SQLSTATE.lockNotAvailable || state === SQLSTATE.deadlockDetected;
}
