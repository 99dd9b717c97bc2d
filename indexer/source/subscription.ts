import type { BlockHeader } from '../kernel/chain.ts';
import { messageOf } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { EndpointNotice } from '../rpc/notice.ts';
import type { Pool } from '../rpc/pool.ts';
import { readHeader, requireHeader } from './blocks.ts';
import { parseBlockNumber } from './parse.ts';
import { readAgreed, unlessUnavailable } from './quorum.ts';

/** Maximum time that a working subscription takes to announce a block after polling has seen it. */
const ANNOUNCEMENT_DELAY_MAX_MS = 2_000;

/** A subscription to new heads. `isOpen` becomes false when the subscription is lost or cancelled. */
type Subscription = { readonly endpoint: Endpoint; isOpen: boolean };

/** Maps each announced header to the subscription that announced it, over whose connection it was read. */
export type AnnouncedHeaders = WeakMap<BlockHeader, Subscription>;

/** Dependencies and intervals of a subscription. */
export type SubscriptionDeps = {
  readonly pool: Pool;
  readonly head: (signal?: AbortSignal) => Promise<BlockHeader>;
  /** Whether several endpoints must agree on a block. An announced block then counts only once `head` returns it. */
  readonly needsQuorum: boolean;
  /** Receives each header that was read after its announcement, over the connection of the subscription. */
  readonly announced: AnnouncedHeaders;
  readonly silenceMs: number;
  readonly now: () => number;
  readonly notice: (notice: EndpointNotice) => void;
};

/** Why a subscription ended. */
type End = Pick<EndpointNotice, 'event' | 'detail'>;

/** Returns an endpoint that offers subscriptions, is healthy, and not set aside; undefined if there is none. */
export function findSubscribable(pool: Pool): Endpoint | undefined {
  try {
    return pool.endpoints().find((one) => one.subscribe !== undefined && one.delayMs() === 0 && !isSetAside(pool, one));
  } catch {
    return undefined; // `pool.endpoints()` throws if all endpoints serve another chain. `head` reports this to its callers.
  }
}

/** Returns whether an endpoint is in quarantine and another one is not. */
function isSetAside(pool: Pool, endpoint: Endpoint): boolean {
  return endpoint.quarantine.isActive() && pool.endpoints().some(({ quarantine }) => !quarantine.isActive());
}

/**
 * Subscribes to new remote heads and passes them to `put`. Returns when the subscription is lost, when it is silent although the chain
 * advances, when its endpoint is set aside, or when the signal aborts. Closes the connection of a silent subscription, so that the next
 * subscription opens a new connection. Never throws.
 */
export async function forwardSubscription(
  deps: SubscriptionDeps,
  endpoint: Endpoint,
  put: (header: BlockHeader) => void,
  signal: AbortSignal,
): Promise<void> {
  const { pool, head, notice } = deps;
  const ended = Promise.withResolvers<End>();
  const lose = (detail: string) => ended.resolve({ event: 'subscription lost', detail });
  const abort = () => lose('aborted');
  signal.addEventListener('abort', abort, { once: true });
  const subscription: Subscription = { endpoint, isOpen: true };
  const heads: Heads = { newest: undefined, announcedTo: -1 };
  const forward = (header: BlockHeader) => {
    heads.newest = header;
    put(header);
  };
  const readAnnounced = createReader(deps, subscription, forward, lose, signal);
  let unsubscribe: (() => void) | undefined;
  let end: End;
  const watching = new AbortController();
  try {
    // The first request of an endpoint confirms its chain id, so make one before subscribing.
    await endpoint.request('eth_chainId', [], { signal });
    unsubscribe = await endpoint.subscribe?.((raw) => {
      try {
        const number = parseBlockNumber(raw);
        heads.announcedTo = Math.max(heads.announcedTo, number);
        if (isSetAside(pool, endpoint)) lose('the endpoint is in quarantine');
        else readAnnounced(number);
      } catch (error) {
        lose(messageOf(error));
      }
    }, lose);
    notice({ event: 'subscribed', endpoint: endpoint.name, detail: 'subscribed to new heads' });
    forward(await head(signal));
    watchSilence(deps, heads, forward, watching.signal).then(
      (silence) => silence && ended.resolve(silence),
      (error: unknown) => lose(messageOf(error)),
    );
    end = await ended.promise;
  } catch (error) {
    end = { event: 'subscription lost', detail: messageOf(error) };
  } finally {
    subscription.isOpen = false;
    watching.abort();
    unsubscribe?.();
    signal.removeEventListener('abort', abort);
  }
  if (signal.aborted) return;
  notice({ ...end, endpoint: endpoint.name });
  if (end.event === 'subscription silent') endpoint.disconnect?.();
}

/** The header that was last passed to `put`, and the highest block number that was announced (-1 before the first). */
type Heads = { newest: BlockHeader | undefined; announcedTo: number };

/**
 * Returns the function that reads an announced block and forwards it. An announced block is only a hint until it is read by its number,
 * because its hash may be wrong, or its fork may have lost. While a block is read, only the newest announcement is remembered.
 */
function createReader(
  { pool, head, needsQuorum, announced, now }: SubscriptionDeps,
  subscription: Subscription,
  forward: (header: BlockHeader) => void,
  lose: (detail: string) => void,
  signal: AbortSignal,
): (number: number) => void {
  let newestNumber: number | undefined;
  let reading = false;

  async function readAll(): Promise<void> {
    while (newestNumber !== undefined && !signal.aborted) {
      const next = newestNumber;
      newestNumber = undefined;
      if (needsQuorum) {
        // If endpoints do not agree now, the subscription is still good. The head is read again at the next announcement.
        const agreed = await readAgreed(head, next, now, signal).catch(unlessUnavailable);
        if (agreed !== undefined) forward(agreed);
        continue;
      }
      const read = async (endpoint: Endpoint, stop: AbortSignal | undefined, isHedge: boolean) => ({
        endpoint,
        header: await (isHedge ? requireHeader : readHeader)(endpoint, next, stop),
      });
      const { endpoint, header } = await pool.hedged('head', subscription.endpoint, read, signal);
      if (header !== undefined && endpoint === subscription.endpoint) announced.set(header, subscription);
      forward(header ?? (await head(signal)));
    }
  }

  return (number) => {
    newestNumber = number;
    if (reading) return;
    reading = true;
    readAll()
      .catch((error: unknown) => lose(messageOf(error)))
      .finally(() => {
        reading = false;
      });
  };
}

/**
 * Polls the head whenever no higher block was announced for `silenceMs`. Returns if the polled head is new but is not announced soon after:
 * the subscription is then dead, although its connection is open. If the polled head is not new, the chain has no new blocks.
 */
async function watchSilence(
  { head, needsQuorum, silenceMs }: SubscriptionDeps,
  heads: Heads,
  forward: (header: BlockHeader) => void,
  signal: AbortSignal,
): Promise<End | undefined> {
  for (;;) {
    const before = heads.announcedTo;
    await sleep(silenceMs, signal);
    if (signal.aborted) return undefined;
    if (heads.announcedTo > before) continue;
    const header = needsQuorum ? await head(signal).catch(unlessUnavailable) : await head(signal);
    if (header === undefined || header.hash === heads.newest?.hash || heads.announcedTo >= header.number) continue;
    forward(header);
    await sleep(Math.min(silenceMs, ANNOUNCEMENT_DELAY_MAX_MS), signal);
    if (heads.announcedTo >= header.number) continue;
    const detail = `no head was announced for ${silenceMs} ms, although block ${header.number} is there: reconnecting`;
    return { event: 'subscription silent', detail };
  }
}
