import { RpcError } from '../kernel/errors.ts';
import { BATCH_MAX_CALLS } from './batch-size.ts';
import { type BatchAnswer, BatchRejected } from './client.ts';
import { mapLimit } from './concurrency.ts';
import type { Endpoint, Requester } from './endpoint.ts';
import type { Call, RequestOptions } from './json-rpc.ts';

/** Maximum number of requests in flight for one `mapInBatches`. */
const REQUESTS_IN_FLIGHT = 16;
/** Maximum number of calls in flight for one `mapInBatches`, over all of its batches. */
const CALLS_IN_FLIGHT = 400;
/**
 * If `mapInBatches` has at least this many items, it sends rate-limited calls to the same endpoint again. With fewer items (as when the
 * newest blocks are read), it throws the rate-limit error at once, so that another endpoint is tried.
 */
const RESEND_ITEMS_MIN = 33;
/**
 * Maximum total time of the pauses before calls are sent again. A shorter pause than `RESEND_PAUSE_MIN_MS` counts as this long. When the
 * total is exceeded, the rate-limit error is thrown.
 */
const RESEND_PAUSES_MS = 5_000;
const RESEND_PAUSE_MIN_MS = 500;

/**
 * Maps items with requests to one endpoint. Requests that several calls of `map` make in the same turn of the event loop are sent
 * together, in batches as large as the endpoint accepts. If the endpoint accepts no batches, they are sent one by one. Each request has
 * its own result or error, as if it had been sent alone. The first failure aborts the other calls of `map` and is thrown.
 *
 * @param maxCalls the maximum number of calls in one batch. Set it below `BATCH_MAX_CALLS` if the requests are large
 */
export async function mapInBatches<T, R>(
  endpoint: Endpoint,
  items: readonly T[],
  signal: AbortSignal | undefined,
  map: (item: T, requester: Requester, signal: AbortSignal) => Promise<R>,
  maxCalls: number = BATCH_MAX_CALLS,
): Promise<R[]> {
  const size = Math.min(endpoint.batchSize.calls(), Math.max(1, maxCalls));
  const pausesMs = items.length < RESEND_ITEMS_MIN ? 0 : RESEND_PAUSES_MS;
  if (size === 1 || items.length <= 1) {
    const requester = allowBatches(endpoint, pausesMs);
    return mapLimit(items, REQUESTS_IN_FLIGHT, signal, (item, stop) => map(item, requester, stop));
  }
  const parts = Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
  const inFlight = Math.min(REQUESTS_IN_FLIGHT, Math.ceil(CALLS_IN_FLIGHT / size));
  const results = await mapLimit(parts, inFlight, signal, (part, stop) => {
    const requester = createCollector(endpoint, pausesMs);
    return mapLimit(part, part.length, stop, (item, stopItem) => map(item, requester, stopItem));
  });
  return results.flat();
}

/** Returns a requester that sends requests to the endpoint one by one. A viem transport may still combine them into batches. */
function allowBatches(endpoint: Endpoint, pausesMs: number): Requester {
  return {
    name: endpoint.name,
    label: endpoint.label,
    chainId: endpoint.chainId,
    request: (method, params, options) =>
      requestPatiently(endpoint, { method, params, options: { ...options, mayBatch: true } }, pausesMs),
  };
}

type CallWithOptions = Call & { readonly options: RequestOptions | undefined };

type PendingCall = CallWithOptions & {
  resolve(result: unknown): void;
  reject(error: unknown): void;
};

/** Creates a requester that collects the requests of one turn of the event loop and sends them together. */
function createCollector(endpoint: Endpoint, pausesMs: number): Requester {
  let collected: PendingCall[] = [];
  const send = () => {
    const calls = collected;
    collected = [];
    sendInBatches(endpoint, calls, pausesMs).catch((error: unknown) => {
      for (const call of calls) call.reject(error);
    });
  };
  return {
    name: endpoint.name,
    label: endpoint.label,
    chainId: endpoint.chainId,
    request: (method, params, options) =>
      new Promise((resolve, reject) => {
        if (collected.length === 0) process.nextTick(send);
        collected.push({ method, params, options, resolve, reject });
      }),
  };
}

/**
 * Sends calls in batches. Rate-limited calls are sent again, at the lower call rate that the endpoint learns from the rate-limit error.
 * If they were rejected instead, all calls of `mapInBatches` would have to be sent again.
 */
async function sendInBatches(endpoint: Endpoint, calls: readonly PendingCall[], pausesMs: number): Promise<void> {
  const { batchSize } = endpoint;
  // All calls come from one `mapInBatches` and have the same signal.
  const signal = calls[0]?.options?.signal;
  let mayResend = limitResends(endpoint, pausesMs);
  /** Maximum size of a batch. Every rate-limit error halves it, because the calls of half a second may be too many for the endpoint. */
  let sizeMax = calls.length;
  for (let pending = calls; pending.length > 0; ) {
    const size = Math.min(batchSize.calls(), sizeMax);
    const batch = pending.slice(0, size);
    if (batch.length === 1 || size === 1) return sendOneByOne(endpoint, pending, pausesMs);
    const rest = pending.slice(size);
    try {
      const answers = await endpoint.batch(batch, signal);
      const isRefused = answers.some(isRefusedForRate);
      const { alone, refused } = settleCalls(batch, answers, isRefused && mayResend());
      pending = [...refused, ...rest];
      if (isRefused) {
        sizeMax = halfOf(batch);
      } else {
        batchSize.accepted(batch.length);
        mayResend = limitResends(endpoint, pausesMs);
      }
      await sendOneByOne(endpoint, alone, pausesMs);
    } catch (error) {
      if (isRateLimit(error)) {
        if (!mayResend()) throw error;
        sizeMax = halfOf(batch);
        continue;
      }
      if (error instanceof RpcError) batchSize.failed(batch.length);
      if (!(error instanceof BatchRejected)) throw error;
      if (error.fittingCalls !== undefined) {
        batchSize.rejected(error.fittingCalls);
        continue;
      }
      // If the endpoint answers one of these calls alone, record that it does not support batches.
      batchSize.failed(batch.length);
      pending = rest;
      await sendOneByOne(endpoint, batch, pausesMs, () => batchSize.unsupported());
    }
  }
}

/** Returns half the size of a batch, but at least 2, so that rate-limited calls still share a batch and fail together. */
function halfOf(batch: readonly unknown[]): number {
  return Math.max(2, Math.ceil(batch.length / 2));
}

/** Returns a function to call after each rate-limit error. The function returns whether to send the calls to this endpoint again. */
function limitResends(endpoint: Endpoint, pausesMs: number): () => boolean {
  let leftMs = pausesMs;
  return () => {
    leftMs -= Math.max(endpoint.delayMs(), RESEND_PAUSE_MIN_MS);
    return leftMs >= 0;
  };
}

function isRateLimit(error: unknown): boolean {
  return error instanceof RpcError && error.kind === 'rate-limited';
}

function isRefusedForRate(answer: BatchAnswer): boolean {
  return 'error' in answer && isRateLimit(answer.error);
}

/** Settles the answered calls. Returns the calls to send again alone, and, if `resend` is set, the rate-limited calls. */
function settleCalls(
  calls: readonly PendingCall[],
  answers: readonly BatchAnswer[],
  resend: boolean,
): { readonly alone: readonly PendingCall[]; readonly refused: readonly PendingCall[] } {
  const alone: PendingCall[] = [];
  const refused: PendingCall[] = [];
  for (const [index, call] of calls.entries()) {
    const answer = answers[index];
    if (answer === undefined || 'retryAlone' in answer) alone.push(call);
    else if ('result' in answer) call.resolve(answer.result);
    else if (resend && isRefusedForRate(answer)) refused.push(call);
    else call.reject(answer.error);
  }
  return { alone, refused };
}

async function sendOneByOne(
  endpoint: Endpoint,
  calls: readonly PendingCall[],
  pausesMs: number,
  onResult?: () => void,
): Promise<void> {
  await mapLimit(calls, REQUESTS_IN_FLIGHT, undefined, async (call) => {
    try {
      const result = await requestPatiently(endpoint, call, pausesMs);
      onResult?.();
      call.resolve(result);
    } catch (error) {
      call.reject(error);
    }
  });
}

/** Sends a request, and sends it again while it is rate-limited, until the pauses would exceed `pausesMs`. */
async function requestPatiently(
  endpoint: Endpoint,
  { method, params, options }: CallWithOptions,
  pausesMs: number,
): Promise<unknown> {
  const mayResend = limitResends(endpoint, pausesMs);
  for (;;) {
    try {
      return await endpoint.request(method, params, options);
    } catch (error) {
      if (!isRateLimit(error) || !mayResend()) throw error;
    }
  }
}
