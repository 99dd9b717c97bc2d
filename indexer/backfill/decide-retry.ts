import { isServerOutage, sqlstateOf } from '../db/sqlstate.ts';
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

/** How the earlier attempts at a job failed. */
export type FailureHistory = {
  /** How many attempts in a row ended in an outage. */
  readonly outages: number;
  /** How many attempts in a row failed at the same blocks. Each attempt reads fewer of them, down to one. Outages do not count. */
  readonly narrowings: number;
  /** The blocks that failed in the last attempt. They are read in smaller pieces; all other blocks are read as usual. */
  readonly suspect?: BlockRange;
  /** Whether the endpoint gave its head after the last outage, which means that the range itself may be at fault. */
  readonly endpointAnswered?: boolean;
};

/** The history of a job that has not failed yet. */
export const NO_FAILURES: FailureHistory = { outages: 0, narrowings: 0 };

/**
 * What to do with a job that failed:
 * - `plan again`: the job is out of date. It is dropped, and coverage says which of its blocks are still missing.
 * - `wait`: the endpoint or the database is unavailable, or the configuration is wrong. Neither says anything about the range.
 * - `narrow`: try again with fewer blocks per read, to find out which of them cannot be read.
 * - `give up`: no further attempt can succeed. `on: 'piece'` gives up on the blocks of the piece. `on: 'unserved'` gives up on the first
 *   block of the piece and on the blocks after it, as long as endpoints answer them with an error of a kind in `unserved`.
 */
export type RetryDecision =
  | { readonly do: 'plan again' }
  | { readonly do: 'wait' | 'narrow'; readonly delayMs: number; readonly history: FailureHistory }
  | { readonly do: 'give up'; readonly on: 'piece' }
  | { readonly do: 'give up'; readonly on: 'unserved'; readonly unserved: readonly RpcErrorKind[] };

const RETRY_BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 };
/** A single block is given up after this many failed attempts. Outages do not count. Each attempt reads fewer blocks, down to one. */
const ATTEMPTS_MAX = 6;
/** After this many outages in a row, the endpoint is asked for its head, because the range itself may cause the failures. */
export const OUTAGES_BEFORE_DOUBT = 12;
/** Kinds of error that endpoints return for blocks that they do not serve. Some of these kinds can have other causes too. */
const UNSERVED: readonly RpcErrorKind[] = ['pruned', 'unavailable', 'unknown-block'];

/** A failed attempt at a job, and its circumstances. */
export type Failure = {
  readonly error: unknown;
  /** The blocks that were being filled. */
  readonly piece: BlockRange;
  /** How the earlier attempts at the job failed. */
  readonly history: FailureHistory;
  /** The endpoint's newest block. Undefined if the endpoint does not answer. Needed only after `OUTAGES_BEFORE_DOUBT` outages. */
  readonly head: number | undefined;
};

/**
 * Decides what to do with a job that failed, by the class of its error. Pure.
 *
 * @param random a source of numbers in [0, 1)
 */
export function decideRetry({ error, piece, history, head }: Failure, random: () => number): RetryDecision {
  if (error instanceof StaleRange || error instanceof HeadMoved) return { do: 'plan again' };
  if (error instanceof RpcError && error.kind === 'pruned')
    return { do: 'give up', on: 'unserved', unserved: ['pruned'] };
  const waiting = { ...history, outages: history.outages + 1, endpointAnswered: false };
  // The operator has to correct the configuration; the range itself is not at fault.
  if (error instanceof ConfigError || servesNoLogs(error))
    return { do: 'wait', delayMs: RETRY_BACKOFF.maxMs, history: waiting };
  if (error instanceof RpcError && error.kind === 'rejected') return { do: 'give up', on: 'piece' };
  if (isOutage(error)) {
    const endpointAnswered = history.outages >= OUTAGES_BEFORE_DOUBT && isRangeAtFault(error, piece, head);
    // A single answer may mean that the outage has just ended.
    if (endpointAnswered && history.endpointAnswered === true)
      return { do: 'give up', on: 'unserved', unserved: UNSERVED };
    const delayMs = backoffMs(waiting.outages, RETRY_BACKOFF, random);
    return { do: 'wait', delayMs, history: { ...waiting, endpointAnswered } };
  }
  const narrowings = liesIn(piece, history.suspect) ? history.narrowings + 1 : 1;
  if (narrowings >= ATTEMPTS_MAX && piece.from === piece.to) return { do: 'give up', on: 'piece' };
  const delayMs = backoffMs(narrowings, RETRY_BACKOFF, random);
  return { do: 'narrow', delayMs, history: { outages: 0, narrowings, suspect: piece } };
}

/** Returns whether an error means that the endpoint does not know the method, and so serves no logs at all. */
function servesNoLogs(error: unknown): boolean {
  return error instanceof RpcError && error.kind === 'rejected' && error.context.code === RPC_CODE.methodNotFound;
}

/**
 * Returns whether the endpoint answers the request for its head but not the requests for this range. If the error is that it does not
 * have a block of the range, this is so only if its head is not below the end of the range.
 */
function isRangeAtFault(error: unknown, piece: BlockRange, head: number | undefined): boolean {
  if (!(error instanceof RpcError) || error.kind === 'rate-limited' || head === undefined) return false;
  return error.kind !== 'unknown-block' || head >= piece.to;
}

function liesIn(piece: BlockRange, suspect: BlockRange | undefined): boolean {
  return suspect !== undefined && suspect.from <= piece.from && piece.to <= suspect.to;
}

/** Returns whether an error may mean that an endpoint or the database is unavailable. Every `RpcError` may, except `range-refused`. */
export function isOutage(error: unknown): boolean {
  if (error instanceof RpcError) return error.kind !== 'range-refused';
  if (error instanceof RpcInconsistency) return false;
  if (sqlstateOf(error) !== undefined) return isServerOutage(error);
  // Connection errors of the driver have no SQLSTATE: refused, reset, timed out, terminated.
  return (
    error instanceof Error &&
    /ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|timeout|terminat|connect/i.test(
      `${(error as { code?: unknown }).code ?? ''} ${messageOf(error)}`,
    )
  );
}
