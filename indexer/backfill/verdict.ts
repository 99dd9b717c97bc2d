import { sqlstateOf } from '../db/sqlstate.ts';
import { ConfigError, HeadMoved, RpcError, RpcInconsistency, StaleRange } from '../kernel/errors.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';

/**
 * What becomes of a job that failed:
 * - `plan again`: it is out of date, not at fault; coverage tells what is left of it.
 * - `wait`: the endpoint, the database or the queue is away, which says nothing about the range.
 * - `narrow`: try again with less, so that what cannot be read is told from what stands beside it.
 * - `give up`: no attempt will end otherwise.
 */
export type Verdict =
  | { readonly do: 'plan again' }
  | { readonly do: 'wait' | 'narrow'; readonly delayMs: number }
  | { readonly do: 'give up'; readonly on: 'piece' | 'rest of job' };

const RETRY_BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 };
/** A range that fails by itself is given up on after so many attempts, each narrower than the one before. */
export const ATTEMPTS_MAX = 6;
/** What looks like an outage is taken for one so often; then it matters whether the endpoint answers everything else. */
export const OUTAGE_ATTEMPTS = 12;

/**
 * Decides by class of error. Pure.
 *
 * @param failures how often the job failed before
 * @param endpointLives whether the endpoint answers other questions; asked only once `failures` reaches `OUTAGE_ATTEMPTS`
 */
export function judgeFailure(
  error: unknown,
  failures: number,
  endpointLives: boolean,
  random: () => number = Math.random,
): Verdict {
  const delayMs = backoffMs(failures + 1, RETRY_BACKOFF, random);
  if (error instanceof StaleRange || error instanceof HeadMoved) return { do: 'plan again' };
  if (error instanceof RpcError && error.kind === 'pruned') return { do: 'give up', on: 'rest of job' };
  // Mended by whoever configured it, and then every range is as good as before.
  if (error instanceof ConfigError) return { do: 'wait', delayMs: RETRY_BACKOFF.maxMs };
  if (error instanceof RpcError && error.kind === 'rejected') return { do: 'give up', on: 'piece' };
  if (isOutage(error)) {
    const atFault = error instanceof RpcError && error.kind !== 'rate-limited' && endpointLives;
    if (failures < OUTAGE_ATTEMPTS || !atFault) return { do: 'wait', delayMs };
    return { do: 'give up', on: 'piece' };
  }
  if (failures + 1 < ATTEMPTS_MAX) return { do: 'narrow', delayMs };
  return { do: 'give up', on: 'piece' };
}

/** Classes of SQLSTATE that tell of the server and not of the statement: connection, resources, locks, operator, system. */
const SERVER_CLASSES = ['08', '53', '55', '57', '58'];
const QUERY_CANCELED = '57014';

function isOutage(error: unknown): boolean {
  if (error instanceof RpcError) return error.kind !== 'range-refused';
  if (error instanceof RpcInconsistency) return false;
  const state = sqlstateOf(error);
  if (state !== undefined) return state !== QUERY_CANCELED && SERVER_CLASSES.some((prefix) => state.startsWith(prefix));
  // The driver's own errors have no SQLSTATE: refused, reset, timed out, cut.
  return (
    error instanceof Error &&
    /ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|timeout|terminat|connect/i.test(describe(error))
  );
}

/** Node's network errors carry their words inside an `AggregateError`, whose own message is empty. */
function describe(error: Error): string {
  const inner = error instanceof AggregateError ? error.errors.map(String).join(' ') : '';
  return `${(error as { code?: unknown }).code ?? ''} ${error.message} ${inner}`;
}
