import type { RawLog } from '../kernel/chain.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { readHeader } from './blocks.ts';
import { isEqual } from './log-answer.ts';
import type { Watched } from './parse.ts';
import { requestLogs } from './request-logs.ts';

/**
 * How long an endpoint is set aside for wrong logs of a block above the finalized one. The time is short because the endpoint may be a load
 * balancer, one of whose nodes has the block but, for a moment, not yet all of its logs.
 */
const UNFINALIZED_PAUSE_MS = 10_000;

/** Returns whether two lists hold the same logs in the same order. */
export function areEqualLogs(a: readonly RawLog[], b: readonly RawLog[]): boolean {
  return a.length === b.length && a.every((log, at) => isEqual(log, b[at] as RawLog));
}

/** The logs that an endpoint gave, the logs of the receipts, and whether the blocks are above the finalized block. */
type WrongLogs = {
  readonly given: readonly RawLog[];
  readonly truth: readonly RawLog[];
  readonly isUnfinalized?: boolean;
};

/**
 * Sets an endpoint aside if the logs that it gave of one of the blocks differ from those of the receipts. It is used again once it gives
 * the logs of the receipts for this block, or has another block at this height. In the latter case the block was reorganised, and its
 * logs cannot be requested again.
 */
export function setAsideForLogs(
  endpoint: Endpoint,
  { given, truth, isUnfinalized = false }: WrongLogs,
  blocks: Iterable<number>,
  watched: Watched,
): void {
  const of = (logs: readonly RawLog[], number: number) => logs.filter(({ blockNumber }) => blockNumber === number);
  for (const number of blocks) {
    const [wrong, right] = [of(given, number), of(truth, number)];
    if (areEqualLogs(wrong, right)) continue;
    const hash = (right[0] ?? wrong[0])?.blockHash;
    endpoint.quarantine.enter({
      evidence: `eth_getLogs gave ${wrong.length} logs of block ${number} (${hash}) that differ from the ${right.length} of its receipts`,
      ...(isUnfinalized ? { pauseMs: UNFINALIZED_PAUSE_MS } : {}),
      recheck: async (signal) => {
        if (hash !== undefined && (await readHeader(endpoint, number, signal))?.hash !== hash) return true;
        const { logs } = await requestLogs(endpoint, endpoint, { from: number, to: number }, watched, signal);
        return areEqualLogs(logs, right);
      },
    });
    return;
  }
}
