import type { BlockHeader } from '../kernel/chain.ts';
import { Aborted, messageOf } from '../kernel/errors.ts';
import { backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Peer, SourceNotice } from '../rpc/peer.ts';
import type { Pool } from '../rpc/pool.ts';
import { parseHeader } from './verify.ts';

/** A preferred endpoint whose head stood still for so long is compared with the others. */
const STALL_MS = 30_000;
const POLL_BACKOFF_MAX_MS = 8_000;
/** An endpoint whose subscription failed is polled for so long before another is tried. */
const RESUBSCRIBE_MS = 2_000;
const RESUBSCRIBE_MAX_MS = 60_000;

/** Reads the newest block of the preferred endpoint, and changes the preference where others are ahead of one that stands still. */
export function createHeadReader(pool: Pool, now: () => number): (signal?: AbortSignal) => Promise<BlockHeader> {
  let last: { readonly hash: string; readonly since: number } | undefined;

  const latest = async (peer: Peer, signal: AbortSignal | undefined) =>
    parseHeader(await peer.request('eth_getBlockByNumber', ['latest', false], { signal }));

  return async function head(signal) {
    const preferred = pool.peers()[0];
    const header = await pool.ask((peer) => latest(peer, signal), { signal });
    if (last?.hash !== header.hash) last = { hash: header.hash, since: now() };
    if (pool.peers().length < 2 || now() - last.since < STALL_MS) return header;
    last = { hash: header.hash, since: now() };
    const answers = await pool.each((peer) => latest(peer, signal));
    const best = answers.reduce((a, b) => (b.value.number > a.value.number ? b : a));
    if (best.value.number <= header.number) return header;
    if (preferred !== undefined && best.peer !== preferred) pool.demote(preferred);
    return best.value;
  };
}

export type HeadsDeps = {
  readonly pool: Pool;
  readonly head: (signal?: AbortSignal) => Promise<BlockHeader>;
  readonly pollIntervalMs: number;
  readonly silenceMs: number;
  readonly random: () => number;
  readonly now: () => number;
  readonly notice: (notice: SourceNotice) => void;
};

/**
 * New heads until the signal aborts: by subscription where an endpoint offers it, else by polling. A subscription that is
 * lost, or silent while the chain moves on, is polled over until it stands again. Only the newest head waits for a reader.
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

/** Alternates between a subscription, while one stands, and polling. Never throws. */
async function produce(deps: HeadsDeps, put: Put, signal: AbortSignal): Promise<void> {
  const { pool, head, now, random, pollIntervalMs } = deps;
  let subscribeAt = 0;
  let lost = 0;
  let failures = 0;
  while (!signal.aborted) {
    const peer = now() < subscribeAt ? undefined : subscribable(pool);
    if (peer !== undefined) {
      const startedAt = now();
      await subscribed(deps, peer, put, signal);
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

function subscribable(pool: Pool): Peer | undefined {
  try {
    return pool.peers().find((peer) => peer.endpoint.subscribe !== undefined && peer.delayMs() === 0);
  } catch {
    return undefined; // Every endpoint was refused, which `head` says to whoever asks.
  }
}

/** Passes heads on until the subscription is lost, is silent while the chain moves on, or the signal aborts. Never throws. */
async function subscribed(deps: HeadsDeps, peer: Peer, put: Put, signal: AbortSignal): Promise<void> {
  const { head, notice, silenceMs } = deps;
  const ended = Promise.withResolvers<string>();
  const abort = () => ended.resolve('told to stop');
  signal.addEventListener('abort', abort, { once: true });
  let newest: BlockHeader | undefined;
  let heard = false;
  const pass = (header: BlockHeader) => {
    newest = header;
    put(header);
  };
  let unsubscribe: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    // Before subscribing: this is where the endpoint's chain id is seen, and what came meanwhile is not missed.
    await peer.request('eth_chainId', [], { signal });
    unsubscribe = await peer.endpoint.subscribe?.((raw) => {
      heard = true;
      try {
        pass(parseHeader(raw));
      } catch (error) {
        ended.resolve(messageOf(error));
      }
    }, ended.resolve);
    notice({ event: 'subscribed', endpoint: peer.name, detail: 'new heads are announced' });
    pass(await head(signal));
    // A chain may be quiet, and so may a dead subscription: only the head tells which.
    const doubt = async () => {
      const before = newest;
      if (!heard) {
        const header = await head(signal);
        if (newest === before && header.hash !== before?.hash) {
          pass(header);
          return ended.resolve('it was silent while the chain moved on');
        }
      }
      heard = false;
      timer = setTimeout(() => doubt().catch((error: unknown) => ended.resolve(messageOf(error))), silenceMs);
    };
    timer = setTimeout(() => doubt().catch((error: unknown) => ended.resolve(messageOf(error))), silenceMs);
    const why = await ended.promise;
    if (!signal.aborted) notice({ event: 'subscription lost', endpoint: peer.name, detail: why });
  } catch (error) {
    if (!signal.aborted) notice({ event: 'subscription lost', endpoint: peer.name, detail: messageOf(error) });
  } finally {
    clearTimeout(timer);
    unsubscribe?.();
    signal.removeEventListener('abort', abort);
  }
}

/** Holds the newest header for one reader; a header that was read last is not given twice in a row. */
function createMailbox(signal: AbortSignal) {
  let waiting: BlockHeader | undefined;
  let given: string | undefined;
  let wake: (() => void) | undefined;
  signal.addEventListener('abort', () => wake?.(), { once: true });
  return {
    put(header: BlockHeader): void {
      waiting = header.hash === given ? undefined : header;
      if (waiting !== undefined) wake?.();
    },
    async take(): Promise<BlockHeader | undefined> {
      while (!signal.aborted) {
        const header = waiting;
        waiting = undefined;
        if (header !== undefined) {
          given = header.hash;
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
