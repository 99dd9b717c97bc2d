import { messageOf, SchemaVersionError } from '../../kernel/errors.ts';
import { type Backoff, backoffMs } from '../../kernel/retry.ts';
import { sleep } from '../../kernel/sleep.ts';
import { SQLSTATE, sqlstateOf } from '../sqlstate.ts';

/** How long a change of a table waits for a lock. Meanwhile other statements on the table wait behind it. */
export const LOCK_TIMEOUT_MS = 2_000;
/** Attempts at a change of a table that other sessions keep locked: about ten minutes. */
const ATTEMPTS_MAX = 100;
const BACKOFF: Backoff = { baseMs: 500, maxMs: 5_000 };

/** Called when a lock was not available: what waits for it, and in how many milliseconds it is tried again. */
export type OnBlocked = (what: string, retryInMs: number) => void;

/**
 * Runs `work` again while other sessions hold a lock that it needs. `work` must have no effect if it fails.
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
 * Returns whether an error means that another session blocked the work. A deadlock counts too. So does a concurrent change of one row of
 * PostgreSQL's catalogue, for example by the session of a killed process. PostgreSQL has no code of its own for it.
 */
function isBlocked(error: unknown): boolean {
  const raised = sqlstateOf(error) === undefined && error instanceof Error ? error.cause : error;
  const state = sqlstateOf(raised);
  if (state === SQLSTATE.internalError) return /^tuple concurrently (?:updated|deleted)$/.test(messageOf(raised));
  return state === SQLSTATE.lockNotAvailable || state === SQLSTATE.deadlockDetected;
}
