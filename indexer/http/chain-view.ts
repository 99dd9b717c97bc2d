import type { ChainStatus } from '../progress/status.ts';
import type { EndpointState } from '../rpc/endpoint.ts';

/** A running backfill: a request to fill a range or, with the id `history`, the gaps of all contracts, which need no request. */
export type BackfillView = {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  /** The number of missing blocks: now (`blocksLeft`), and the largest number that this process has seen so far (`blocks`). */
  readonly blocksLeft: number;
  readonly blocks: number;
  /** The estimated time until no block is missing. Undefined until it is known how fast blocks are filled. */
  readonly secondsLeft: number | undefined;
};

/** An RPC endpoint of a chain, as this process sees it, with the number of calls that the process sent to it and how many failed. */
export type EndpointView = EndpointState & { readonly calls: number; readonly failedCalls: number };

/** What this process knows about a chain that it runs. */
export type LiveChain = {
  readonly chainId: number;
  /** `following`, `standing by`, `starting`, or `failing` with the reason. */
  readonly state: string;
  /** The newest block that an endpoint knows. Null if none answered yet. */
  readonly remoteHead: number | null;
  readonly eventsPerSecond: number;
  /** The number of jobs of the backfill by their state. Null while the queue is not connected. */
  readonly queue: { readonly waiting: number; readonly active: number; readonly delayed: number } | null;
  readonly endpoints: readonly EndpointView[];
  readonly backfills: readonly BackfillView[];
};

/** The status of a chain in the database, and what this process knows about it. `live` is null if this process does not run the chain. */
export type ChainView = ChainStatus & { readonly live: LiveChain | null };

/** Returns how many blocks the committed head is behind the head of the chain. Null while either head is unknown. */
export function lagBlocksOf({ head, live }: ChainView): number | null {
  if (head === null || live === null || live.remoteHead === null) return null;
  return Math.max(0, live.remoteHead - head.number);
}

/**
 * Returns the age of the committed head in seconds. Returns 0 if the chain has no newer block, and null if the age or the head of the
 * chain is unknown.
 */
export function lagSecondsOf(chain: ChainView, now: Date): number | null {
  const lagBlocks = lagBlocksOf(chain);
  if (lagBlocks === 0 || lagBlocks === null) return lagBlocks;
  return chain.headTimestamp && Math.max(0, (now.getTime() - chain.headTimestamp.getTime()) / 1_000);
}
