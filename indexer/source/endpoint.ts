import { Aborted, RpcError } from '../kernel/errors.ts';
import { connectHttp } from './http.ts';
import { createRedaction } from './redact.ts';
import { meaningOf, type Refusal } from './refusals.ts';
import { connectSocket } from './socket.ts';
import { type Failure, MAX_RESPONSE_BYTES, type RequestOptions, type Transport } from './transport.ts';

/** `Retry-After` is honoured up to a minute, so that one hostile header cannot stop a chain. */
const RETRY_AFTER_MAX_MS = 60_000;

/** One node or provider, asked a question at a time; it has no memory of what it answered. */
export type Endpoint = {
  /** Host and index; safe to show. */
  readonly name: string;
  /** Throws `RpcError` or `Aborted`. The result is never undefined, and null only where the node said null. */
  request(method: string, params: readonly unknown[], options?: RequestOptions): Promise<unknown>;
  /** Subscribes to new heads; undefined where the transport cannot. The promise is of the function that ends it. */
  readonly subscribe:
    | ((onHead: (header: unknown) => void, onLost: (why: string) => void) => Promise<() => void>)
    | undefined;
  close(): void;
};

/** An endpoint over HTTP or WebSocket, by its URL. Opens nothing until first asked. Throws `ConfigError` for another URL. */
export function createEndpoint(url: string, index: number, timeoutMs: number): Endpoint {
  const { name, scrub } = createRedaction(url, index);
  const transport: Transport = url.startsWith('ws') ? connectSocket(url, name, timeoutMs) : connectHttp(url, timeoutMs);
  const { subscribe } = transport;
  return {
    name,
    async request(method, params, { signal = NEVER, maxBytes = MAX_RESPONSE_BYTES } = {}) {
      if (signal.aborted) throw new Aborted(`${method} was told to stop`);
      const outcome = await transport.request(method, params, { signal, maxBytes });
      if ('result' in outcome) return outcome.result;
      throw errorOf(outcome.failure, method, name, scrub);
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

function errorOf(failure: Failure, method: string, name: string, scrub: (text: string) => string): RpcError | Aborted {
  if (failure.how === 'aborted') return new Aborted(`${method} was told to stop`);
  const text = scrub(failure.text) || 'no reason given';
  const message = `${name}: ${method}: ${failure.status === undefined ? '' : `HTTP ${failure.status}: `}${text}`;
  const { status, code } = failure;
  const context = { endpoint: name, method, ...(status && { status }), ...(code !== undefined && { code }) };
  if (failure.how === 'too-large') return new RpcError('range-refused', message, { context });
  if (failure.how === 'broken' && status === undefined) return new RpcError('unavailable', message, { context });
  const refusal: Refusal = { method, status, code, text: failure.text };
  const { kind, hintBlocks } = meaningOf(refusal);
  return new RpcError(kind, message, { context, hintBlocks, retryAfterMs: retryAfterMs(failure.retryAfter) });
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
function retryAfterMs(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined || header === '') return undefined;
  const ms = /^\d+(?:\.\d+)?$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, RETRY_AFTER_MAX_MS) : undefined;
}
