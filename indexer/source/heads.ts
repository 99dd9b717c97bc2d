import type { BlockHeader } from '../kernel/chain.ts';
import { Aborted, messageOf } from '../kernel/errors.ts';
import { backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { EndpointNotice } from '../rpc/notice.ts';
import type { Pool } from '../rpc/pool.ts';
import { readHeader } from './blocks.ts';
import { parseBlockNumber, parseHeader } from './parse.ts';

/** If the head of the preferred endpoint has not changed for this long, it is compared with the other endpoints. */
const STALL_MS = 30_000;
const POLL_BACKOFF_MAX_MS = 8_000;
/** Delay before the next subscription after one was lost; the head is polled meanwhile. */
const RESUBSCRIBE_MS = 2_000;
const RESUBSCRIBE_MAX_MS = 60_000;

/** A subscription to new heads. It ends with its connection. */
type Subscription = { readonly endpoint: Endpoint; isOpen: boolean };

/** Maps each announced header to the subscription that announced it, over whose connection it was read. */
export type AnnouncedHeaders = WeakMap<BlockHeader, Subscription>;

/** Returns the function that reads the newest block. It changes the preferred endpoint if that is stuck behind another. */
export function createHeadReader(pool: Pool, now: () => number): (signal?: AbortSignal) => Promise<BlockHeader> {
  let last: { readonly hash: string; readonly since: number } | undefined;

  const latest = async (endpoint: Endpoint, signal: AbortSignal | undefined) =>
    parseHeader(await endpoint.request('eth_getBlockByNumber', ['latest', false], { signal }), endpoint);

  return async function head(signal) {
    const preferred = pool.endpoints()[0];
    const header = await pool.run((endpoint) => latest(endpoint, signal), { signal });
    if (last?.hash !== header.hash) last = { hash: header.hash, since: now() };
    if (pool.endpoints().length < 2 || now() - last.since < STALL_MS) return header;
    last = { hash: header.hash, since: now() };
    const answers = await pool.runOnEach((endpoint) => latest(endpoint, signal));
    const best = answers.reduce((a, b) => (b.value.number > a.value.number ? b : a));
    if (best.value.number <= header.number) return header;
    if (preferred !== undefined && best.endpoint !== preferred) pool.demote(preferred);
    return best.value;
  };
}

/** Dependencies and intervals of `followHeads`. */
export type HeadsDeps = {
  readonly pool: Pool;
  readonly head: (signal?: AbortSignal) => Promise<BlockHeader>;
  /** Receives the announced headers. */
  readonly announced: AnnouncedHeaders;
  readonly pollIntervalMs: number;
  readonly silenceMs: number;
  readonly random: () => number;
  readonly now: () => number;
  readonly notice: (notice: EndpointNotice) => void;
};

/**
 * Yields new heads until the signal aborts: from a subscription if an endpoint supports it, else by polling. While a
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

/** Uses a subscription while one is open, and polls otherwise. Never throws. */
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

function findSubscribable(pool: Pool): Endpoint | undefined {
  try {
    return pool.endpoints().find((endpoint) => endpoint.subscribe !== undefined && endpoint.delayMs() === 0);
  } catch {
    return undefined; // All endpoints serve another chain, which `head` reports to its callers.
  }
}

/** Forwards heads until the subscription is lost, is silent although the chain advances, or the signal aborts. Never throws. */
async function forwardSubscription(deps: HeadsDeps, endpoint: Endpoint, put: Put, signal: AbortSignal): Promise<void> {
  const { head, announced, notice, silenceMs } = deps;
  const ended = Promise.withResolvers<string>();
  const subscription: Subscription = { endpoint, isOpen: true };
  const abort = () => ended.resolve('aborted');
  signal.addEventListener('abort', abort, { once: true });
  let newest: BlockHeader | undefined;
  let hasReceived = false;
  const forward = (header: BlockHeader) => {
    newest = header;
    put(header);
  };
  // An announced block is a hint until it is read by its number: announced hashes may be wrong, or of a block that lost.
  let newestNumber: number | undefined;
  let reading = false;
  const readAnnounced = (number: number) => {
    newestNumber = number;
    if (reading) return;
    reading = true;
    void (async () => {
      while (newestNumber !== undefined && !signal.aborted) {
        const next = newestNumber;
        newestNumber = undefined;
        const header = await readHeader(endpoint, next, signal);
        if (header !== undefined) announced.set(header, subscription);
        forward(header ?? (await head(signal)));
      }
    })()
      .catch((error: unknown) => ended.resolve(messageOf(error)))
      .finally(() => {
        reading = false;
      });
  };
  let unsubscribe: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    // The first request of an endpoint confirms its chain id, so make one before subscribing.
    await endpoint.request('eth_chainId', [], { signal });
    unsubscribe = await endpoint.subscribe?.((raw) => {
      hasReceived = true;
      try {
        readAnnounced(parseBlockNumber(raw));
      } catch (error) {
        ended.resolve(messageOf(error));
      }
    }, ended.resolve);
    notice({ event: 'subscribed', endpoint: endpoint.name, detail: 'subscribed to new heads' });
    forward(await head(signal));
    // A silent subscription is either dead or the chain has no new blocks. The polled head tells which.
    const checkSilence = async () => {
      const before = newest;
      if (!hasReceived) {
        const header = await head(signal);
        if (newest === before && header.hash !== before?.hash) {
          forward(header);
          return ended.resolve('the subscription was silent although the chain advanced');
        }
      }
      hasReceived = false;
      timer = setTimeout(() => checkSilence().catch((error: unknown) => ended.resolve(messageOf(error))), silenceMs);
    };
    timer = setTimeout(() => checkSilence().catch((error: unknown) => ended.resolve(messageOf(error))), silenceMs);
    const reason = await ended.promise;
    if (!signal.aborted) notice({ event: 'subscription lost', endpoint: endpoint.name, detail: reason });
  } catch (error) {
    if (!signal.aborted) notice({ event: 'subscription lost', endpoint: endpoint.name, detail: messageOf(error) });
  } finally {
    subscription.isOpen = false;
    clearTimeout(timer);
    unsubscribe?.();
    signal.removeEventListener('abort', abort);
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
