import type { RpcEndpoint } from '../config/define.ts';
import type { ProxySettings } from '../config/resolve.ts';
import { secretsOfEndpoint, secretsOfProxy, secretsOfTransport } from '../config/secrets.ts';
import { Aborted, ConfigError, IndexerError, messageOf, RpcError } from '../kernel/errors.ts';
import { createRedact, publicHostOf, type Secrets } from '../observability/redact.ts';
import { connectHttp } from './http.ts';
import { type Call, type Failure, MAX_RESPONSE_BYTES, type RequestOptions, type Transport } from './json-rpc.ts';
import { classifyRefusal, fittingBatch, RANGE_METHODS, type Refusal } from './refusals.ts';
import { connectViem } from './viem-transport.ts';
import { connectWebSocket } from './websocket.ts';

/** Maximum delay that is accepted from a `Retry-After` header, so that one hostile header cannot stop the indexing of a chain. */
const RETRY_AFTER_MAX_MS = 60_000;
/** Maximum length of a provider's text in an error message. */
const TEXT_MAX_CHARS = 300;
/** Text beyond this length is dropped before secrets are removed, so that a huge error body costs little. */
const REDACTED_MAX_CHARS = 65_536;

/** The outcome of one call of a batch. `retryAlone` means that the call may succeed outside of the batch. */
export type BatchAnswer = { readonly result: unknown } | { readonly error: RpcError } | { readonly retryAlone: true };

/** The endpoint rejected a batch as a whole. It may answer the same calls in smaller batches or one by one. */
export class BatchRejected extends IndexerError {
  override readonly name = 'BatchRejected';
  /** How many calls would fit; undefined if the endpoint seems to support no batches at all. */
  readonly fittingCalls: number | undefined;

  constructor(message: string, fittingCalls: number | undefined) {
    super(message);
    this.fittingCalls = fittingCalls;
  }
}

/** Sends requests to one node or provider and classifies its errors. It remembers nothing about earlier answers. */
export type Client = {
  /** The host (or the key of a viem transport) and the index of the endpoint, as in `rpc.example.org#0`. Contains no secret. */
  readonly name: string;
  /** The text with which error messages about the endpoint begin: the setting that holds its URL or, if there is none, `name`. */
  readonly label: string;
  /** Returns the result, which is null only if the node answered null. Throws `RpcError` or `Aborted`. */
  request(method: string, params: readonly unknown[], options?: RequestOptions): Promise<unknown>;
  /**
   * Sends several calls in one request and returns the answers in their order. Throws `BatchRejected` if the endpoint does not
   * answer them together, and `RpcError` or `Aborted` as `request` does. Undefined where the transport has no batches.
   */
  readonly batch: ((calls: readonly Call[], signal?: AbortSignal) => Promise<readonly BatchAnswer[]>) | undefined;
  /** Subscribes to new heads and returns the function that ends the subscription. Undefined where the transport has no subscriptions. */
  readonly subscribe:
    | ((onHead: (header: unknown) => void, onLost: (reason: string) => void) => Promise<() => void>)
    | undefined;
  /** Closes the connection. The next request opens another. Undefined where the transport does not support this. */
  readonly disconnect: (() => void) | undefined;
  /** Closes all connections. */
  close(): void;
};

/**
 * Returns a client for an endpoint. It connects at the first request. Throws `ConfigError` for an unusable URL.
 *
 * @param variable the setting that holds the URL; error messages begin with it
 */
export function createClient(
  endpoint: RpcEndpoint,
  index: number,
  timeoutMs: number,
  proxy?: ProxySettings | undefined,
  variable?: string,
): Client {
  const { name, transport, secrets } = connect(endpoint, index, timeoutMs, proxy);
  const place = { name, label: variable ?? name };
  const scrub = createScrub({ urls: [...secrets.urls, ...secretsOfProxy(proxy)], values: secrets.values ?? [] });
  const { subscribe } = transport;
  const sendBatch = transport.batch;
  return {
    ...place,
    async request(method, params, { signal = NEVER, maxBytes = MAX_RESPONSE_BYTES, mayBatch } = {}) {
      if (signal.aborted) throw new Aborted(`${method} was aborted`);
      const outcome = await transport.request({ method, params }, { signal, maxBytes, mayBatch });
      if ('result' in outcome) return outcome.result;
      throw errorOf(outcome.failure, { method, params }, place, scrub);
    },
    batch:
      sendBatch &&
      (async (calls, signal = NEVER) => {
        if (signal.aborted) throw new Aborted('a batch was aborted');
        const batch = await sendBatch(calls, { signal, maxBytes: MAX_RESPONSE_BYTES });
        if ('failure' in batch) throw batchErrorOf(batch.failure, calls.length, place, scrub);
        return batch.outcomes.map((outcome, index): BatchAnswer => {
          if ('result' in outcome) return outcome;
          const { failure } = outcome;
          const error = errorOf(failure, calls[index] ?? BATCH, place, scrub) as RpcError;
          const isAboutSize = error.kind === 'range-refused' || fittingBatch(failure.text, calls.length) !== undefined;
          return isAboutSize ? { retryAlone: true } : { error };
        });
      }),
    subscribe:
      subscribe &&
      ((onHead, onLost) =>
        subscribe(onHead, (reason) => onLost(scrub(reason))).catch((error: unknown) => {
          throw new RpcError('unavailable', `${place.label}: eth_subscribe: ${scrub(messageOf(error))}`, {
            context: { endpoint: name },
          });
        })),
    disconnect: transport.disconnect,
    close: () => transport.close(),
  };
}

type Connected = { readonly name: string; readonly transport: Transport; readonly secrets: Secrets };

function connect(endpoint: RpcEndpoint, index: number, timeoutMs: number, proxy: ProxySettings | undefined): Connected {
  if (typeof endpoint === 'function') {
    const { key, transport, attributes } = connectViem(endpoint, timeoutMs);
    return { name: `${key}#${index}`, transport, secrets: secretsOfTransport(attributes) };
  }
  const { url, headers = undefined } = typeof endpoint === 'string' ? { url: endpoint } : endpoint;
  if (!URL.canParse(url) || !/^(?:https?|wss?):$/.test(new URL(url).protocol)) {
    throw new ConfigError(`RPC endpoint #${index}: the URL must begin with http://, https://, ws:// or wss://`);
  }
  const options = { timeoutMs, headers, proxy };
  const transport = /^wss?:/i.test(url) ? connectWebSocket(url, options) : connectHttp(url, options);
  return { name: `${publicHostOf(url)}#${index}`, transport, secrets: secretsOfEndpoint(endpoint) };
}

/** Returns the function that removes secrets from a provider's text and shortens it to one line of limited length. */
function createScrub(secrets: Secrets): (text: string) => string {
  const redact = createRedact(secrets);
  return (text) => {
    // Shorten last, so that no secret is cut in half and then not recognised.
    const line = redact(text.slice(0, REDACTED_MAX_CHARS)).replace(/\s+/g, ' ').trim();
    return line.length > TEXT_MAX_CHARS ? `${line.slice(0, TEXT_MAX_CHARS)}…` : line;
  };
}

const NEVER = new AbortController().signal;
const BATCH: Call = { method: 'batch', params: [] };

type Place = Pick<Client, 'name' | 'label'>;

/** Advice to the operator, by the HTTP status that an endpoint returns. Redirections are not followed. */
const ADVICE: Readonly<Record<number, string>> = {
  301: 'correct the URL',
  302: 'correct the URL',
  303: 'correct the URL',
  307: 'correct the URL',
  308: 'correct the URL',
  401: 'correct the key in the URL or the headers',
  403: 'correct the key in the URL or the headers',
  404: 'correct the URL',
};

/** Returns the error of a failed batch: `BatchRejected` if the calls may succeed in smaller batches or one by one. */
function batchErrorOf(
  failure: Failure,
  calls: number,
  place: Place,
  scrub: (text: string) => string,
): RpcError | Aborted | BatchRejected {
  const { type, status = 200, text } = failure;
  const error = errorOf(failure, BATCH, place, scrub);
  if (error instanceof Aborted || (type === 'no-response' && failure.status === undefined)) return error;
  if (type === 'too-large' || type === 'truncated' || status === 413)
    return new BatchRejected(error.message, Math.floor(calls / 2));
  const fitting = type === 'error-response' && status !== 429 ? fittingBatch(text, calls) : undefined;
  if (fitting !== undefined) return new BatchRejected(error.message, fitting);
  if (error.kind === 'rate-limited' || (status >= 500 && status !== 501)) return error;
  return new BatchRejected(error.message, undefined);
}

function errorOf(
  failure: Failure,
  call: Call,
  { name, label }: Place,
  scrub: (text: string) => string,
): RpcError | Aborted {
  const { method } = call;
  if (failure.type === 'aborted') return new Aborted(`${method} was aborted`);
  const text = scrub(failure.text) || 'no reason given';
  const { status, code, unreachable, timedOut } = failure;
  const where = unreachable || status === 401 ? label : `${label}: ${method}`;
  const advice = status === undefined || ADVICE[status] === undefined ? '' : `; ${ADVICE[status]}`;
  const message = `${where}: ${status === undefined ? '' : `HTTP ${status}: `}${text}${advice}`;
  const context = { endpoint: name, method, ...(status && { status }), ...(code !== undefined && { code }) };
  if (failure.type === 'too-large') return new RpcError('range-refused', message, { context });
  // Some providers truncate a response that becomes too long, without an error.
  if (failure.type === 'truncated') {
    return new RpcError(RANGE_METHODS.has(method) ? 'range-refused' : 'unavailable', message, { context });
  }
  if (failure.type === 'no-response' && status === undefined)
    return new RpcError('unavailable', message, { context, unreachable, timedOut });
  const refusal: Refusal = { method, blocks: blocksOf(call), status, code, text: failure.text };
  const { kind, hintBlocks, hintAddresses } = classifyRefusal(refusal);
  return new RpcError(kind, message, {
    context,
    hintBlocks,
    hintAddresses,
    retryAfterMs: retryAfterMs(failure.retryAfter),
    answered: failure.type === 'error-response' && status === undefined,
  });
}

/** Returns the number of blocks of an `eth_getLogs` request; undefined for a request by block hash. */
function blocksOf({ method, params: [filter] }: Call): number | undefined {
  if (method !== 'eth_getLogs') return undefined;
  const { fromBlock, toBlock } = filter as { readonly fromBlock?: string; readonly toBlock?: string };
  return fromBlock === undefined ? undefined : Number(toBlock) - Number(fromBlock) + 1;
}

/** Reads a `Retry-After` header, which holds seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined || header === '') return undefined;
  const ms = /^\d+(?:\.\d+)?$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, RETRY_AFTER_MAX_MS) : undefined;
}
