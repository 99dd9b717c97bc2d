import { Aborted, RpcError } from '../kernel/errors.ts';
import { type Answer, BatchRefused } from './batch.ts';
import { connectHttp } from './http.ts';
import { createRedaction } from './redact.ts';
import { fittingBatch, meaningOf, RANGE_METHODS, type Refusal } from './refusals.ts';
import { connectSocket } from './socket.ts';
import { type Call, type Failure, MAX_RESPONSE_BYTES, type RequestOptions, type Transport } from './transport.ts';

/** `Retry-After` is honoured up to a minute, so that one hostile header cannot stop a chain. */
const RETRY_AFTER_MAX_MS = 60_000;

/** One node or provider; it has no memory of what it answered. */
export type Endpoint = {
  /** Host and index; safe to show. */
  readonly name: string;
  /** Throws `RpcError` or `Aborted`. The result is never undefined, and null only where the node said null. */
  request(method: string, params: readonly unknown[], options?: RequestOptions): Promise<unknown>;
  /**
   * Puts several questions at once; the answers are in their order. Throws `BatchRefused` where the endpoint does not answer
   * them together, and `RpcError` or `Aborted` as `request` does.
   */
  batch(calls: readonly Call[], signal?: AbortSignal): Promise<readonly Answer[]>;
  /** Subscribes to new heads; undefined where the transport cannot. The promise is of the function that ends it. */
  readonly subscribe:
    | ((onHead: (header: unknown) => void, onLost: (why: string) => void) => Promise<() => void>)
    | undefined;
  close(): void;
};

/** An endpoint over HTTP or WebSocket, by its URL. Opens nothing until first asked. Throws `ConfigError` for another URL. */
export function createEndpoint(url: string, index: number, timeoutMs: number): Endpoint {
  const { name, scrub } = createRedaction(url, index);
  const transport: Transport = url.startsWith('ws') ? connectSocket(url, timeoutMs) : connectHttp(url, timeoutMs);
  const { subscribe } = transport;
  return {
    name,
    async request(method, params, { signal = NEVER, maxBytes = MAX_RESPONSE_BYTES } = {}) {
      if (signal.aborted) throw new Aborted(`${method} was told to stop`);
      const outcome = await transport.request({ method, params }, { signal, maxBytes });
      if ('result' in outcome) return outcome.result;
      throw errorOf(outcome.failure, { method, params }, name, scrub);
    },
    async batch(calls, signal = NEVER) {
      if (signal.aborted) throw new Aborted('a batch was told to stop');
      const batched = await transport.batch(calls, { signal, maxBytes: MAX_RESPONSE_BYTES });
      if ('failure' in batched) throw batchErrorOf(batched.failure, calls.length, name, scrub);
      return batched.outcomes.map((outcome, index): Answer => {
        if ('result' in outcome) return outcome;
        const { failure } = outcome;
        const error = errorOf(failure, calls[index] ?? BATCH, name, scrub) as RpcError;
        const isOfSize = error.kind === 'range-refused' || fittingBatch(failure.text, calls.length) !== undefined;
        return isOfSize ? { again: true } : { error };
      });
    },
    subscribe:
      subscribe &&
      ((onHead, onLost) =>
        subscribe(onHead, (why) => onLost(scrub(why))).catch((error: unknown) => {
          throw new RpcError('unavailable', `${name}: eth_subscribe: ${scrub(String(error))}`, {
            context: { endpoint: name },
          });
        })),
    close: () => transport.close(),
  };
}

const NEVER = new AbortController().signal;
const BATCH: Call = { method: 'batch', params: [] };

/** What a batch failed of as a whole: of being one, of its size, or of what any request would have failed of. */
function batchErrorOf(
  failure: Failure,
  calls: number,
  name: string,
  scrub: (text: string) => string,
): RpcError | Aborted | BatchRefused {
  const { how, status = 200, text } = failure;
  const error = errorOf(failure, BATCH, name, scrub);
  if (error instanceof Aborted || (how === 'broken' && failure.status === undefined)) return error;
  if (how === 'too-large' || how === 'cut' || status === 413)
    return new BatchRefused(error.message, Math.floor(calls / 2));
  const fitting = how === 'answered' && status !== 429 ? fittingBatch(text, calls) : undefined;
  if (fitting !== undefined) return new BatchRefused(error.message, fitting);
  if (error.kind === 'rate-limited' || (status >= 500 && status !== 501)) return error;
  return new BatchRefused(error.message, undefined);
}

function errorOf(failure: Failure, call: Call, name: string, scrub: (text: string) => string): RpcError | Aborted {
  const { method } = call;
  if (failure.how === 'aborted') return new Aborted(`${method} was told to stop`);
  const text = scrub(failure.text) || 'no reason given';
  const message = `${name}: ${method}: ${failure.status === undefined ? '' : `HTTP ${failure.status}: `}${text}`;
  const { status, code } = failure;
  const context = { endpoint: name, method, ...(status && { status }), ...(code !== undefined && { code }) };
  if (failure.how === 'too-large') return new RpcError('range-refused', message, { context });
  // What no node says: some cut an answer where it becomes too long.
  if (failure.how === 'cut') {
    return new RpcError(RANGE_METHODS.has(method) ? 'range-refused' : 'unavailable', message, { context });
  }
  if (failure.how === 'broken' && status === undefined) return new RpcError('unavailable', message, { context });
  const refusal: Refusal = { method, blocks: blocksOf(call), status, code, text: failure.text };
  const { kind, hintBlocks } = meaningOf(refusal);
  return new RpcError(kind, message, { context, hintBlocks, retryAfterMs: retryAfterMs(failure.retryAfter) });
}

/** How many blocks an `eth_getLogs` asks for by their numbers. */
function blocksOf({ method, params: [filter] }: Call): number | undefined {
  if (method !== 'eth_getLogs') return undefined;
  const { fromBlock, toBlock } = filter as { readonly fromBlock?: string; readonly toBlock?: string };
  return fromBlock === undefined ? undefined : Number(toBlock) - Number(fromBlock) + 1;
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
function retryAfterMs(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined || header === '') return undefined;
  const ms = /^\d+(?:\.\d+)?$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, RETRY_AFTER_MAX_MS) : undefined;
}
