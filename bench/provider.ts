import type { Chain } from './chain.ts';
import { startChildServer } from './child-server.ts';
import { computeUnits } from './compute-units.ts';
import { median } from './quantile.ts';

/** The time after which the provider answers. */
const LATENCY_MS = 80;
/** The number of calls that the provider accepts per second, and by default the size of its burst. */
export const CALLS_PER_SECOND = 25;

/** The requests to a provider since it started. Times are in milliseconds since 1970. */
export type Counts = {
  /** Answered calls by method, and by block tag where a call names one (`eth_getBlockByNumber latest`). */
  readonly calls: Record<string, number>;
  /** HTTP requests and WebSocket messages, of which each may hold a batch. */
  requests: number;
  /** The times of the requests that were refused for too many calls per second. */
  readonly refusedAt: number[];
  /** The number of blocks of each `eth_getLogs` that was answered with logs. */
  readonly rangeBlocks: number[];
  /** Calls of `eth_getLogs` that were refused for too many blocks or logs. */
  refusedRanges: number;
  announcedBytes: number;
  firstAt: number;
  lastAt: number;
};

/** How some work used a provider. */
export type ProviderUsage = {
  readonly calls: Readonly<Record<string, number>>;
  readonly callsTotal: number;
  readonly requests: number;
  /** Requests that were refused for too many calls per second: all, and those of the second half of the time. */
  readonly refusals: number;
  readonly lateRefusals: number;
  readonly refusedRanges: number;
  readonly rangeBlocksMedian: number;
  readonly rangeBlocksMax: number;
  readonly computeUnits: number;
  readonly seconds: number;
};

/** A running provider. */
export type Provider = {
  readonly httpUrl: string;
  readonly wsUrl: string;
  counts(): Promise<Counts>;
  stop(): Promise<void>;
};

/** The options of a provider. */
export type ProviderOptions = {
  /** Whether logs carry a `blockTimestamp`. */
  readonly blockTimestamp: boolean;
  /**
   * The number of calls that the provider accepts at once after a pause. Providers that limit requests per second (QuickNode) accept the
   * calls of one second; Alchemy averages over ten. Undefined: the provider accepts any number of calls at any time.
   */
  readonly burst: number | undefined;
};

/** Starts a provider in front of a chain server, as a process of its own. */
export async function startProvider(chain: Chain, { blockTimestamp, burst }: ProviderOptions): Promise<Provider> {
  const { httpUrl, wsUrl, call, stop } = await startChildServer('provider-server.ts', {
    upstream: chain.httpUrl,
    latencyMs: LATENCY_MS,
    callsPerSecond: burst === undefined ? 0 : CALLS_PER_SECOND,
    burst: burst ?? 0,
    blockTimestamp: String(blockTimestamp),
  });
  return { httpUrl, wsUrl, stop, counts: async () => (await call('bench_counts')) as Counts };
}

/** Computes the usage of a provider from its counts. */
export function usageOf(counts: Counts): ProviderUsage {
  const { calls, requests, refusedAt, refusedRanges, rangeBlocks, announcedBytes, firstAt, lastAt } = counts;
  const middle = (firstAt + lastAt) / 2;
  return {
    calls,
    callsTotal: totalOf(calls),
    requests,
    refusals: refusedAt.length,
    lateRefusals: refusedAt.filter((at) => at > middle).length,
    refusedRanges,
    rangeBlocksMedian: median(rangeBlocks),
    rangeBlocksMax: Math.max(0, ...rangeBlocks),
    computeUnits: computeUnits(calls, announcedBytes),
    seconds: (lastAt - firstAt) / 1_000,
  };
}

/** Returns the number of all calls. */
export function totalOf(calls: Counts['calls']): number {
  return Object.values(calls).reduce((sum, count) => sum + count, 0);
}

/** Returns the calls that were answered between two readings. */
export function callsBetween(before: Counts, after: Counts): Counts['calls'] {
  const between = Object.entries(after.calls).map(
    ([kind, count]) => [kind, count - (before.calls[kind] ?? 0)] as const,
  );
  return Object.fromEntries(between.filter(([, count]) => count > 0));
}
