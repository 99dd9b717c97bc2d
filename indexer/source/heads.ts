import type { BlockHeader } from '../kernel/chain.ts';
import { Aborted } from '../kernel/errors.ts';
import { backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { Pool } from '../rpc/pool.ts';
import { readLatest, unknownBlock } from './blocks.ts';
import { findSubscribable, forwardSubscription, type SubscriptionDeps } from './subscription.ts';

/** If the remote head has not changed for this long, the newest blocks of all endpoints are compared. */
const STALL_MS = 30_000;
/** How long an endpoint with a stuck head is set aside. Afterwards its head is read again, to see whether it has moved. */
const STALE_PAUSE_MS = 60_000;
const POLL_BACKOFF_MAX_MS = 8_000;
/** Delay before the next subscription after one was lost; the head is polled meanwhile. */
const RESUBSCRIBE_MS = 2_000;
const RESUBSCRIBE_MAX_MS = 60_000;

/** Creates the function that reads the remote head. It sets the preferred endpoint aside if its head is stuck below another endpoint's. */
export function createHeadReader(pool: Pool, now: () => number): (signal?: AbortSignal) => Promise<BlockHeader> {
  let last: { readonly number: number; readonly hash: string; readonly since: number } | undefined;

  const read = async (endpoint: Endpoint, signal: AbortSignal | undefined, isHedge: boolean) => {
    const header = await readLatest(endpoint, signal);
    // A second endpoint is asked only because the first one is slow. Ignore the second one's head if it is below the last known head.
    if (isHedge && header.number < (last?.number ?? 0)) throw unknownBlock(endpoint, 'the endpoint is behind');
    return header;
  };

  return async function head(signal) {
    const preferred = pool.endpoints()[0];
    const header = await pool.run(read, { signal, hedge: 'head' });
    if (last?.hash !== header.hash) last = { ...header, since: now() };
    if (pool.endpoints().length < 2 || now() - last.since < STALL_MS) return header;
    last = { ...header, since: now() };
    const answers = await pool.runOnEach((endpoint) => readLatest(endpoint, signal));
    const best = answers.reduce((a, b) => (b.value.number > a.value.number ? b : a));
    if (best.value.number <= header.number) return header;
    const isStale = answers.some(({ endpoint, value }) => endpoint === preferred && value.hash === header.hash);
    if (preferred !== undefined && isStale) setStaleAside(preferred, header, best);
    return best.value;
  };
}

type Head = { readonly endpoint: Endpoint; readonly value: BlockHeader };

/**
 * Sets an endpoint aside because its head has not moved for a long time while another endpoint has a higher head. The endpoint is used
 * again once its head moves, even if it stays lower: the chain may have paused, and the higher head may have been invented.
 */
function setStaleAside(stale: Endpoint, { number, hash }: BlockHeader, other: Head): void {
  const { number: expected, hash: otherHash } = other.value;
  stale.quarantine.enter({
    evidence: `its head has been block ${number} (${hash}) for ${STALL_MS / 1_000} s, where ${other.endpoint.name} has block ${expected} (${otherHash})`,
    pauseMs: STALE_PAUSE_MS,
    recheck: async (signal) => (await readLatest(stale, signal)).hash !== hash,
  });
}

/** Dependencies and intervals of `followHeads`. */
export type HeadsDeps = SubscriptionDeps & {
  readonly pollIntervalMs: number;
  readonly random: () => number;
};

/**
 * Yields new remote heads until the signal aborts: from a subscription if an endpoint supports it, else by polling. While a
 * subscription is lost, or silent although the chain advances, the head is polled. A slow reader gets only the newest head.
 */
export async function* followHeads(deps: HeadsDeps, signal: AbortSignal): AsyncGenerator<BlockHeader, void, undefined> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (signal.aborted) return;
  signal.addEventListener('abort', abort, { once: true });
  const box = createMailbox(stop.signal);
  const producing = produce(deps, box.put, stop.signal);
  try {
    for (;;) {
      const header = await box.take();
      if (header === undefined) return;
      yield header;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    stop.abort();
    await producing;
  }
}

type Put = (header: BlockHeader) => void;

/** Passes new heads to `put`, from a subscription while one is open and otherwise by polling. Never throws. */
async function produce(deps: HeadsDeps, put: Put, signal: AbortSignal): Promise<void> {
  const { pool, head, now, random, pollIntervalMs } = deps;
  let subscribeAt = 0;
  let lost = 0;
  let failures = 0;
  while (!signal.aborted) {
    const endpoint = now() < subscribeAt ? undefined : findSubscribable(pool);
    if (endpoint !== undefined) {
      const startedAt = now();
      await forwardSubscription(deps, endpoint, put, signal);
      lost = now() - startedAt > RESUBSCRIBE_MAX_MS ? 1 : lost + 1;
      subscribeAt = now() + backoffMs(lost, { baseMs: RESUBSCRIBE_MS, maxMs: RESUBSCRIBE_MAX_MS }, random);
      continue;
    }
    try {
      put(await head(signal));
      failures = 0;
    } catch (error) {
      if (error instanceof Aborted) return;
      failures++;
    }
    const wait =
      failures === 0
        ? pollIntervalMs
        : backoffMs(failures + 1, { baseMs: pollIntervalMs, maxMs: POLL_BACKOFF_MAX_MS }, random);
    await sleep(wait, signal);
  }
}

/** Holds the newest header for one reader. Never returns the same header twice in a row. */
function createMailbox(signal: AbortSignal) {
  let waiting: BlockHeader | undefined;
  let lastTaken: string | undefined;
  let wake: (() => void) | undefined;
  signal.addEventListener('abort', () => wake?.(), { once: true });
  return {
    put(header: BlockHeader): void {
      waiting = header.hash === lastTaken ? undefined : header;
      if (waiting !== undefined) wake?.();
    },
    async take(): Promise<BlockHeader | undefined> {
      while (!signal.aborted) {
        const header = waiting;
        waiting = undefined;
        if (header !== undefined) {
          lastTaken = header.hash;
          return header;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return undefined;
    },
  };
}
