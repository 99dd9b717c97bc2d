import type { Transport as ViemTransport } from 'viem';
import { messageOf } from '../kernel/errors.ts';
import { orAborted } from './concurrency.ts';
import {
  type Call,
  type CallOutcome,
  errorResponse,
  type Failure,
  noResponse,
  RequestTimeout,
  type Transport,
} from './json-rpc.ts';
import { fittingBatch } from './refusals.ts';

/** What some transports of viem offer besides requests: a `webSocket` has subscriptions, a `fallback` names its `transports`. */
type Subscribable = {
  subscribe?(options: {
    readonly params: readonly ['newHeads'];
    onData(message: { readonly result?: unknown }): void;
    onError(error: unknown): void;
  }): Promise<{ unsubscribe(): Promise<unknown> }>;
  getRpcClient?(): Promise<{ close(): void }>;
  readonly transports?: readonly unknown[];
};

/** An adapted viem transport, with the `key` that viem or the configuration gave it, and the attributes of the viem instance. */
export type NamedTransport = { readonly transport: Transport; readonly key: string; readonly attributes: unknown };

/**
 * Adapts a viem transport: `http`, `webSocket`, `custom`, `fallback`. The size of responses is limited by viem and not by this program.
 * viem does not retry unless the transport was created with a `retryCount`.
 *
 * Calls go to viem one by one. With `http(url, { batch: true })`, viem sends calls in one batch if they are made at the same time and
 * have the same signal. viem matches responses to calls only by the order of their ids, and could confuse them. Therefore only calls with
 * `mayBatch`, whose responses are checked, share a signal. Calls whose batch was too large are sent again alone.
 */
export function connectViem(create: ViemTransport, timeoutMs: number): NamedTransport {
  const instance = create({ retryCount: 0, timeout: timeoutMs });
  const value = (instance.value ?? {}) as Subscribable;
  // A fallback needs the time to ask each of its transports.
  const patienceMs = timeoutMs * Math.max(1, value.transports?.length ?? 1);
  const { subscribe, getRpcClient } = value;
  let isUsed = false;

  async function send({ method, params }: Call, signal: AbortSignal, mayBatch: boolean): Promise<CallOutcome> {
    isUsed = true;
    const timeout = AbortSignal.timeout(patienceMs);
    const either = AbortSignal.any([signal, timeout]);
    try {
      const sent = instance.request({ method, params }, { signal: mayBatch ? signal : either });
      const result: unknown = await orAborted(sent, either);
      return result === undefined ? failed('the response has no result') : { result };
    } catch (error) {
      if (signal.aborted) return { failure: { type: 'aborted', text: '' } };
      if (timeout.aborted) return { failure: noResponse(new RequestTimeout(patienceMs)) };
      return { failure: viemFailure(error) };
    }
  }

  return {
    key: instance.config.key,
    attributes: instance.value,
    transport: {
      async request(call, { signal, mayBatch = false }): Promise<CallOutcome> {
        const outcome = await send(call, signal, mayBatch);
        const isAboutBatch = mayBatch && 'failure' in outcome && isAboutSize(outcome.failure);
        return isAboutBatch ? send(call, signal, false) : outcome;
      },
      subscribe:
        subscribe &&
        (async (onHead, onLost) => {
          const { unsubscribe } = await subscribe({
            params: ['newHeads'],
            onData: ({ result }) => onHead(result),
            onError: (error) => onLost(messageOf(error)),
          });
          return () => void unsubscribe().catch(() => undefined);
        }),
      close() {
        // Without a request there is no connection, and viem would open one to return its client.
        if (isUsed)
          void getRpcClient?.()
            .then((client) => client.close())
            .catch(() => undefined);
      },
    },
  };
}

/** Returns whether a batch or its response was too large. If responses are missing, viem says `Expected 16 responses to batch request`. */
function isAboutSize({ type, status, text }: Failure): boolean {
  return type === 'too-large' || status === 413 || /\bbatch/i.test(text) || fittingBatch(text, 2) !== undefined;
}

function failed(text: string): { readonly failure: Failure } {
  return { failure: { type: 'no-response', text } };
}

type ViemError = {
  readonly name?: string;
  readonly code?: unknown;
  readonly status?: number;
  readonly headers?: Headers;
  readonly details?: string;
  readonly message?: string;
  readonly data?: unknown;
  readonly shortMessage?: string;
  readonly cause?: unknown;
};

/** Maximum number of nested errors to look through: viem's wrapper around an error of a provider around an error of a node. */
const CAUSES_MAX = 8;

/**
 * Converts an error of viem into a failure. viem wraps the error of the node, so the causes are searched for the HTTP status or the
 * JSON-RPC error. Names are compared instead of classes, because a configuration may use its own copy of viem.
 */
function viemFailure(error: unknown): Failure {
  let rpcError: ViemError | undefined;
  let current: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && typeof current === 'object' && current !== null; depth++) {
    const one: ViemError = current;
    if (one.name === 'TimeoutError') return { type: 'no-response', text: 'the request timed out', timedOut: true };
    if (one.name === 'ResponseBodyTooLargeError') return { type: 'too-large', text: one.shortMessage ?? '' };
    if (one.name === 'HttpRequestError') return httpFailureOf(one);
    if (typeof one.code === 'number') rpcError = one;
    current = one.cause;
  }
  if (rpcError === undefined) return noResponse(error);
  // The innermost error is the node's own. An error of viem keeps the node's text in `details`, and advice in `message`.
  const { code, data, details, message } = rpcError;
  return errorResponse({ code, message: details ?? message, data }, undefined);
}

function httpFailureOf({ status, details = '', headers, cause }: ViemError): Failure {
  if (status === undefined) return cause === undefined ? { type: 'no-response', text: details } : noResponse(cause);
  // A status of 2xx with this error means that the body was not JSON.
  const type = status >= 200 && status < 300 ? 'no-response' : 'error-response';
  return { type, ...(type === 'error-response' && { status }), text: details, retryAfter: headers?.get('retry-after') };
}
