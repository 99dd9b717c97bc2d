import type { RawLog } from '../kernel/chain.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { isEqual } from './log-answer.ts';
import type { Watched } from './parse.ts';
import { requestLogs } from './request-logs.ts';

/** Returns whether two lists hold the same logs in the same order. */
export function areEqualLogs(a: readonly RawLog[], b: readonly RawLog[]): boolean {
  return a.length === b.length && a.every((log, at) => isEqual(log, b[at] as RawLog));
}

/**
 * Sets an endpoint aside whose answers to `eth_getLogs` differ from receipts in one of the blocks, until it gives the logs of the receipts
 * there.
 */
export function setAsideForLogs(
  endpoint: Endpoint,
  { given, truth }: { readonly given: readonly RawLog[]; readonly truth: readonly RawLog[] },
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
      recheck: async (signal) => {
        const { logs } = await requestLogs(endpoint, endpoint, { from: number, to: number }, watched, signal);
        return areEqualLogs(logs, right);
      },
    });
    return;
  }
}
