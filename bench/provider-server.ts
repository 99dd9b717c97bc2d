import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { type Handlers, serveParent } from './child-server.ts';
import type { Counts } from './provider.ts';

/**
 * A provider in front of a node: JSON-RPC over HTTP and WebSocket on one port, in a process of its own. Prints its port as one line of
 * JSON when it is ready, and exits when its standard input ends. The method `bench_counts` returns the counts of what was requested.
 *
 * - Every answer and announcement arrives after `latency` ms.
 * - Calls are limited by a token bucket that holds `burst` calls and is refilled with `callsPerSecond`. Each call of a batch counts, and
 *   a batch for which the bucket has too few tokens is refused as a whole and costs none.
 * - A refusal is HTTP 429 with `Retry-After` in whole seconds, and over a WebSocket an error with code 429 (Alchemy, "Throughput").
 * - `eth_getLogs` is refused in QuickNode's words for too many blocks, and in geth's and Infura's for too many logs.
 * - Logs have a `blockTimestamp`, as in geth 1.16, or none, depending on the flag of this name.
 */
const BLOCKS_MAX = 2_000;
const LOGS_MAX = 10_000;
const CODE_RATE_LIMITED = 429;
const WORDS_RATE_LIMITED = 'Your app has exceeded its compute units per second capacity.';
/** Members of a block that nodes do not announce. */
const NOT_ANNOUNCED: ReadonlySet<string> = new Set(['transactions', 'uncles', 'size']);

type Call = { readonly id: unknown; readonly method: string; readonly params?: readonly unknown[] };
type Reply = { readonly id: unknown; readonly result?: unknown; readonly error?: unknown };
type Answer = { readonly status: number; readonly text: string; readonly retryAfterS?: number };
type Settings = {
  readonly upstream: string;
  readonly latencyMs: number;
  /** 0: no limit. */
  readonly callsPerSecond: number;
  readonly burst: number;
  readonly blockTimestamp: boolean;
};

/** Tokens for calls, which are refilled continuously. */
class TokenBucket {
  readonly #perSecond: number;
  readonly #max: number;
  #tokens: number;
  #filledAt = performance.now();

  constructor(perSecond: number, max: number) {
    this.#perSecond = perSecond;
    this.#max = max;
    this.#tokens = max;
  }

  /** Takes tokens for some calls. Returns how many seconds to wait if there are too few, else 0. */
  take(calls: number): number {
    if (this.#perSecond === 0) return 0;
    const now = performance.now();
    this.#tokens = Math.min(this.#max, this.#tokens + ((now - this.#filledAt) / 1_000) * this.#perSecond);
    this.#filledAt = now;
    if (calls > this.#tokens) return (calls - this.#tokens) / this.#perSecond;
    this.#tokens -= calls;
    return 0;
  }
}

class ProviderServer implements Handlers {
  readonly #settings: Settings;
  readonly #bucket: TokenBucket;
  readonly #subscribers = new Set<WebSocket>();
  readonly #counts: Counts = {
    calls: {},
    requests: 0,
    refusedAt: [],
    rangeBlocks: [],
    refusedRanges: 0,
    announcedBytes: 0,
    firstAt: 0,
    lastAt: 0,
  };
  #announcements: WebSocket | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#bucket = new TokenBucket(settings.callsPerSecond, settings.burst);
  }

  receive(message: string, socket: WebSocket): void {
    this.#answerTo(message, socket).then(
      ({ text }) => socket.send(text),
      () => socket.terminate(),
    );
  }

  closed(socket: WebSocket): void {
    this.#subscribers.delete(socket);
  }

  async answer(body: string, response: ServerResponse): Promise<void> {
    const { status, text, retryAfterS } = await this.#answerTo(body);
    const headers: OutgoingHttpHeaders = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    };
    if (retryAfterS !== undefined) headers['retry-after'] = String(retryAfterS);
    response.writeHead(status, headers);
    response.end(text);
  }

  async #answerTo(body: string, socket?: WebSocket): Promise<Answer> {
    const request = JSON.parse(body) as Call | Call[];
    const calls = [request].flat();
    if (calls[0]?.method === 'bench_counts')
      return { status: 200, text: encode({ id: calls[0].id, result: this.#counts }) };
    const counts = this.#counts;
    counts.requests += 1;
    counts.lastAt = performance.timeOrigin + performance.now();
    counts.firstAt ||= counts.lastAt;
    const waitS = this.#bucket.take(calls.length);
    if (waitS > 0) counts.refusedAt.push(counts.lastAt);
    const answer = waitS > 0 ? refuse(request, waitS, socket !== undefined) : await this.#serve(request, socket);
    await wait(this.#settings.latencyMs);
    return answer;
  }

  /** Answers calls that are within the limit of calls. */
  async #serve(request: Call | readonly Call[], socket: WebSocket | undefined): Promise<Answer> {
    const calls = [request].flat();
    for (const call of calls) {
      const kind = kindOf(call);
      this.#counts.calls[kind] = (this.#counts.calls[kind] ?? 0) + 1;
    }
    const known = calls.map((call) => this.#replyTo(call, socket));
    const forwarded = calls.filter((_, at) => known[at] === undefined);
    const replies = forwarded.length === 0 ? [] : await this.#forward(forwarded);
    let next = 0;
    const all = known.map((reply) => reply ?? (replies[next++] as Reply));
    const text = 'method' in request ? encode(all[0] as Reply) : `[${all.map(encode).join(',')}]`;
    const withTime = this.#settings.blockTimestamp;
    return { status: 200, text: withTime ? text : text.replaceAll(/,"blockTimestamp":"0x[0-9a-f]+"/g, '') };
  }

  /** Answers calls that are not forwarded to the node: subscriptions, and ranges of too many blocks. Undefined for other calls. */
  #replyTo({ id, method, params: [first] = [] }: Call, socket: WebSocket | undefined): Reply | undefined {
    if (method === 'eth_subscribe' && socket !== undefined) {
      this.#subscribers.add(socket);
      this.#announcements ??= this.#subscribe();
      return { id, result: '0x1' };
    }
    if (method === 'eth_unsubscribe' && socket !== undefined) return { id, result: this.#subscribers.delete(socket) };
    if (method !== 'eth_getLogs' || blocksOf(first) <= BLOCKS_MAX) return undefined;
    this.#counts.refusedRanges += 1;
    const message = `eth_getLogs is limited to a ${BLOCKS_MAX.toLocaleString('en')} range`;
    return { id, error: { code: -32614, message } };
  }

  async #forward(calls: readonly Call[]): Promise<Reply[]> {
    const response = await fetch(this.#settings.upstream, { method: 'POST', body: JSON.stringify(calls) });
    const replies = (await response.json()) as Reply[];
    return replies.map((reply, at) => {
      const { id, method, params: [filter] = [] } = calls[at] as Call;
      if (method !== 'eth_getLogs' || !Array.isArray(reply.result)) return reply;
      if (reply.result.length <= LOGS_MAX) {
        this.#counts.rangeBlocks.push(blocksOf(filter));
        return reply;
      }
      this.#counts.refusedRanges += 1;
      return { id, error: { code: -32005, message: `query returned more than ${LOGS_MAX} results` } };
    });
  }

  /** Subscribes to the node's heads and passes them on. */
  #subscribe(): WebSocket {
    const node = new WebSocket(this.#settings.upstream.replace('http:', 'ws:'));
    node.on('open', () => node.send(JSON.stringify({ id: 1, method: 'eth_subscribe', params: ['newHeads'] })));
    node.on('message', async (message) => {
      const announced = JSON.parse(String(message), (name, value) => (NOT_ANNOUNCED.has(name) ? undefined : value));
      if (announced.method !== 'eth_subscription') return;
      await wait(this.#settings.latencyMs);
      const text = JSON.stringify(announced);
      for (const socket of this.#subscribers) {
        socket.send(text);
        this.#counts.announcedBytes += text.length;
      }
    });
    return node;
  }
}

/** Returns the refusal of a request whose calls exceed the limit of calls. */
function refuse(request: Call | readonly Call[], waitS: number, isSocket: boolean): Answer {
  const error = { code: CODE_RATE_LIMITED, message: WORDS_RATE_LIMITED };
  if (!isSocket) return { status: 429, text: encode({ id: null, error }), retryAfterS: Math.ceil(waitS) };
  const replies = [request].flat().map(({ id }) => encode({ id, error }));
  return { status: 200, text: 'method' in request ? (replies[0] as string) : `[${replies.join(',')}]` };
}

/** Returns the method, and the tag where a call names one (`latest`, `finalized`, `safe`). */
function kindOf({ method, params: [first] = [] }: Call): string {
  return typeof first === 'string' && /^[a-z]+$/.test(first) ? `${method} ${first}` : method;
}

/** Returns the number of blocks of a filter; one for a filter by block hash. */
function blocksOf(filter: unknown): number {
  const { fromBlock, toBlock } = filter as { readonly fromBlock?: string; readonly toBlock?: string };
  return fromBlock === undefined ? 1 : Number(toBlock) - Number(fromBlock) + 1;
}

function encode(reply: Reply): string {
  return JSON.stringify({ jsonrpc: '2.0', ...reply });
}

const { values } = parseArgs({
  options: {
    upstream: { type: 'string', default: '' },
    latencyMs: { type: 'string', default: '0' },
    callsPerSecond: { type: 'string', default: '0' },
    burst: { type: 'string', default: '0' },
    blockTimestamp: { type: 'string', default: 'true' },
  },
});
const provider = new ProviderServer({
  upstream: values.upstream,
  latencyMs: Number(values.latencyMs),
  callsPerSecond: Number(values.callsPerSecond),
  burst: Number(values.burst),
  blockTimestamp: values.blockTimestamp === 'true',
});
await serveParent(provider);
