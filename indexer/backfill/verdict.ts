import { sqlstateOf } from '../db/sqlstate.ts';
import {
  ConfigError,
  HeadMoved,
  messageOf,
  RpcError,
  type RpcErrorKind,
  RpcInconsistency,
  StaleRange,
} from '../kernel/errors.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { RPC_CODE } from '../rpc/json-rpc.ts';

/** What befell a job so far. */
export type Setbacks = {
  /** How often in a row something was away. */
  readonly waited: number;
  /** How often in a row the blocks under suspicion failed, each time fewer of them. */
  readonly narrowed: number;
  /** What failed by itself the last time: read in smaller pieces, and all else as ever. */
  readonly suspect?: BlockRange;
  /** Whether the endpoint answered everything else the last time that something was away. */
  readonly lived?: boolean;
};

export const NO_SETBACKS: Setbacks = { waited: 0, narrowed: 0 };

/**
 * What becomes of a job that failed:
 * - `plan again`: it is out of date, not at fault; coverage tells what is left of it.
 * - `wait`: the endpoint, the database or the queue is away, which says nothing about the range.
 * - `narrow`: try again with less, so that what cannot be read is told from what stands beside it.
 * - `give up`: no attempt will end otherwise, on the piece or on as much as endpoints do not serve, which errors of these kinds
 *   tell.
 */
export type Verdict =
  | { readonly do: 'plan again' }
  | { readonly do: 'wait' | 'narrow'; readonly delayMs: number; readonly setbacks: Setbacks }
  | { readonly do: 'give up'; readonly on: 'piece' }
  | { readonly do: 'give up'; readonly on: 'unserved'; readonly unserved: readonly RpcErrorKind[] };

const RETRY_BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 };
/** A block that fails by itself is given up on after so many attempts, each narrower than the one before until it is alone. */
const ATTEMPTS_MAX = 6;
/** What looks like an outage is taken for one so often; then it matters whether the endpoint answers everything else. */
export const OUTAGE_ATTEMPTS = 12;
/** What endpoints answer for a stretch that they do not serve, in words that nobody knows. */
const UNSERVED: readonly RpcErrorKind[] = ['pruned', 'unavailable', 'unknown-block'];

/** A failure, and what is known around it. */
export type Failure = {
  readonly error: unknown;
  /** The blocks that it is about. */
  readonly piece: BlockRange;
  /** What befell the job before. */
  readonly before: Setbacks;
  /** The endpoint's newest block, where it answers other questions; needs to be asked only once an outage lasts. */
  readonly head: number | undefined;
};

/** Decides by class of error. Pure. */
export function judgeFailure({ error, piece, before, head }: Failure, random: () => number = Math.random): Verdict {
  if (error instanceof StaleRange || error instanceof HeadMoved) return { do: 'plan again' };
  if (error instanceof RpcError && error.kind === 'pruned')
    return { do: 'give up', on: 'unserved', unserved: ['pruned'] };
  const waiting = { ...before, waited: before.waited + 1, lived: false };
  // Mended by whoever configured it, and then every range is as good as before.
  if (error instanceof ConfigError || isUnserved(error))
    return { do: 'wait', delayMs: RETRY_BACKOFF.maxMs, setbacks: waiting };
  if (error instanceof RpcError && error.kind === 'rejected') return { do: 'give up', on: 'piece' };
  if (isOutage(error)) {
    const lived = before.waited >= OUTAGE_ATTEMPTS && isAtFault(error, piece, head);
    // Once may be the moment at which an outage ends.
    if (lived && before.lived === true) return { do: 'give up', on: 'unserved', unserved: UNSERVED };
    const delayMs = backoffMs(waiting.waited, RETRY_BACKOFF, random);
    return { do: 'wait', delayMs, setbacks: { ...waiting, lived } };
  }
  const narrowed = liesIn(piece, before.suspect) ? before.narrowed + 1 : 1;
  if (narrowed >= ATTEMPTS_MAX && piece.from === piece.to) return { do: 'give up', on: 'piece' };
  const delayMs = backoffMs(narrowed, RETRY_BACKOFF, random);
  return { do: 'narrow', delayMs, setbacks: { waited: 0, narrowed, suspect: piece } };
}

/** The endpoint does not serve logs at all. */
function isUnserved(error: unknown): boolean {
  return error instanceof RpcError && error.kind === 'rejected' && error.context.code === RPC_CODE.methodNotFound;
}

/** Whether it is the range that does not come while the endpoint answers all else. One that is behind has not come to it yet. */
function isAtFault(error: unknown, piece: BlockRange, head: number | undefined): boolean {
  if (!(error instanceof RpcError) || error.kind === 'rate-limited' || head === undefined) return false;
  return error.kind !== 'unknown-block' || head >= piece.to;
}

function liesIn(piece: BlockRange, suspect: BlockRange | undefined): boolean {
  return suspect !== undefined && suspect.from <= piece.from && piece.to <= suspect.to;
}

/** Classes of SQLSTATE that tell of the server and not of the statement: connection, resources, locks, operator, system. */
const SERVER_CLASSES = ['08', '53', '55', '57', '58'];
const QUERY_CANCELED = '57014';

export function isOutage(error: unknown): boolean {
  if (error instanceof RpcError) return error.kind !== 'range-refused';
  if (error instanceof RpcInconsistency) return false;
  const state = sqlstateOf(error);
  if (state !== undefined) return state !== QUERY_CANCELED && SERVER_CLASSES.some((prefix) => state.startsWith(prefix));
  // The driver's own errors have no SQLSTATE: refused, reset, timed out, cut.
  return (
    error instanceof Error &&
    /ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|timeout|terminat|connect/i.test(
      `${(error as { code?: unknown }).code ?? ''} ${messageOf(error)}`,
    )
  );
}
