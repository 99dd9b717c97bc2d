import { ConfigError, RpcError } from '../kernel/errors.ts';
import { quantity } from '../source/verify.ts';
import { type Answer, type BatchAsker, createBatchSize } from './batch.ts';
import type { Endpoint } from './endpoint.ts';
import { createHealth, isFailure } from './health.ts';
import { createLimiter, orAborted } from './limit.ts';
import { createSpan, type Span } from './span.ts';
import type { RequestOptions } from './transport.ts';

/** After so many answers a place that a rate limit took is given back. */
const ANSWERS_PER_PLACE = 50;

/** What happens inside the source that an operator may want to see; nothing in it holds a secret. */
export type SourceNotice = {
  readonly event:
    | 'endpoint failed'
    | 'endpoint recovered'
    | 'endpoint refused'
    | 'range narrowed'
    | 'inconsistent'
    | 'subscription lost'
    | 'subscribed';
  /** Host and index of the endpoint, as in `rpc.example.org#0`. */
  readonly endpoint: string;
  readonly detail: string;
};

/**
 * An endpoint with what was learnt about it: its health, its pace, and what it does not serve. It is asked when its health
 * and pace allow, and never before its chain id was seen to be right.
 */
export type Peer = BatchAsker & {
  readonly endpoint: Endpoint;
  /** Asks for the chain id. Throws `ConfigError` where it is another chain's, and the endpoint is refused from then on. */
  checkChainId(signal: AbortSignal | undefined): Promise<void>;
  isRefused(): boolean;
  /** How long until the endpoint may be asked, in milliseconds. */
  delayMs(): number;
  readonly span: Span;
  /** What the endpoint turned out not to serve. */
  readonly lacks: { blockHashFilter: boolean; blockReceipts: boolean; finalizedTag: boolean };
  /** The highest block that it said it has pruned. */
  prunedAt: number;
  close(): void;
};

export type PeerSettings = {
  readonly chainId: number;
  readonly concurrency: number;
  readonly initialSpan: number;
  readonly now: () => number;
  readonly random: () => number;
  readonly notice: (notice: SourceNotice) => void;
};

export function createPeer(endpoint: Endpoint, settings: PeerSettings): Peer {
  const { name } = endpoint;
  const limiter = createLimiter(settings.concurrency);
  const health = createHealth({
    now: settings.now,
    random: settings.random,
    onChange: (error) =>
      settings.notice({
        event: error === undefined ? 'endpoint recovered' : 'endpoint failed',
        endpoint: name,
        detail: error?.message ?? 'it answers again',
      }),
  });
  let chainId: 'unknown' | 'right' | 'wrong' = 'unknown';
  let checking: Promise<void> | undefined;
  let answers = 0;
  let narrowedAt = 0;
  const closed = new AbortController();

  async function paced<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    let startedAt = Number.NEGATIVE_INFINITY;
    const send = () => {
      startedAt = settings.now();
      return task();
    };
    try {
      const result = await limiter.run(() => health.run(send, signal), signal);
      if (++answers % ANSWERS_PER_PLACE === 0) limiter.widen();
      return result;
    } catch (error) {
      // Requests that were under way together are refused together, which is one reason to slow down.
      if (error instanceof RpcError && error.kind === 'rate-limited' && startedAt >= narrowedAt) {
        limiter.narrow();
        narrowedAt = settings.now();
      }
      throw error;
    }
  }

  async function checkChainId(signal: AbortSignal | undefined): Promise<void> {
    const ask = () => endpoint.request('eth_chainId', [], { signal });
    const answer = quantity(await paced(ask, signal), 'chain id');
    if (answer === settings.chainId) {
      chainId = 'right';
      return;
    }
    const detail = `${name} serves chain ${answer}, not ${settings.chainId}`;
    if (chainId !== 'wrong') settings.notice({ event: 'endpoint refused', endpoint: name, detail });
    chainId = 'wrong';
    throw new ConfigError(detail, { context: { endpoint: name, chainId: answer, expected: settings.chainId } });
  }

  async function requireChainId(signal: AbortSignal | undefined): Promise<void> {
    // Shared by all who wait, so that none of their signals may end it.
    checking ??= checkChainId(closed.signal).finally(() => {
      checking = undefined;
    });
    await orAborted(checking, signal);
  }

  return {
    name,
    endpoint,
    async request(method, params, options: RequestOptions = {}) {
      if (chainId !== 'right') await requireChainId(options.signal);
      return paced(() => endpoint.request(method, params, options), options.signal);
    },
    async batch(calls, signal) {
      if (chainId !== 'right') await requireChainId(signal);
      let answers: readonly Answer[] | undefined;
      const ask = async () => {
        answers = await endpoint.batch(calls, signal);
        // One failed call says of the endpoint what a failed request would.
        for (const answer of answers) if ('error' in answer && isFailure(answer.error)) throw answer.error;
      };
      try {
        await paced(ask, signal);
      } catch (error) {
        if (answers === undefined) throw error;
      }
      return answers ?? [];
    },
    batchSize: createBatchSize(settings.now),
    checkChainId,
    isRefused: () => chainId === 'wrong',
    delayMs: () => health.delayMs(),
    span: createSpan(settings.initialSpan, settings.now),
    lacks: { blockHashFilter: false, blockReceipts: false, finalizedTag: false },
    prunedAt: -1,
    close() {
      closed.abort();
      endpoint.close();
    },
  };
}
