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
 * Maps items by requests to one endpoint. Requests that calls of `map` make at the same time are sent together in batches, as
 * large as the endpoint accepts them, or one by one if it accepts none. Each request has its own result or error, as if it
 * had been sent alone. The first failure aborts the other calls and is thrown.
 *
 * @param maxCalls the maximum number of calls in one batch, if the requests are large
 */
export async function mapInBatches<T, R>(
  endpoint: Endpoint,
  items: readonly T[],
  signal: AbortSignal | undefined,
  map: (item: T, requester: Requester, signal: AbortSignal) => Promise<R>,
  maxCalls: number = BATCH_MAX_CALLS,
): Promise<R[]> {
  const size = Math.min(endpoint.batchSize.calls(), Math.max(1, maxCalls));
  if (size === 1 || items.length <= 1) {
    const requester = allowBatches(endpoint);
    return mapLimit(items, REQUESTS_IN_FLIGHT, signal, (item, stop) => map(item, requester, stop));
  }
  const parts = Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
  const inFlight = Math.min(REQUESTS_IN_FLIGHT, Math.ceil(CALLS_IN_FLIGHT / size));
  const results = await mapLimit(parts, inFlight, signal, (part, stop) => {
    const requester = createCollector(endpoint);
    return mapLimit(part, part.length, stop, (item, stopItem) => map(item, requester, stopItem));
  });
  return results.flat();
}

/** Returns the endpoint for single requests that a viem transport may put into batches of its own. */
function allowBatches(endpoint: Endpoint): Requester {
  return {
    name: endpoint.name,
    label: endpoint.label,
    chainId: endpoint.chainId,
    request: (method, params, options) => endpoint.request(method, params, { ...options, mayBatch: true }),
  };
}

type PendingCall = Call & {
  readonly options: RequestOptions | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
};

/** Collects the requests that are made in one turn of the event loop, and sends them together. */
function createCollector(endpoint: Endpoint): Requester {
  let collected: PendingCall[] = [];
  const send = () => {
    const calls = collected;
    collected = [];
    sendInBatches(endpoint, calls).catch((error: unknown) => {
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

async function sendInBatches(endpoint: Endpoint, calls: readonly PendingCall[]): Promise<void> {
  const { batchSize } = endpoint;
  // All calls come from one `mapInBatches` and have the same signal.
  const signal = calls[0]?.options?.signal;
  for (let next = 0; next < calls.length; ) {
    const size = batchSize.calls();
    const batch = calls.slice(next, next + size);
    if (batch.length === 1 || size === 1) return sendOneByOne(endpoint, calls.slice(next), () => undefined);
    try {
      const answers = await endpoint.batch(batch, signal);
      if (answers.some(isRateLimited)) batchSize.rejected(Math.floor(batch.length / 2));
      else batchSize.accepted(batch.length);
      next += batch.length;
      await sendOneByOne(endpoint, settleCalls(batch, answers), () => undefined);
    } catch (error) {
      if (error instanceof RpcError) {
        if (error.kind === 'rate-limited') batchSize.rejected(Math.floor(batch.length / 2));
        else batchSize.failed(batch.length);
      }
      if (!(error instanceof BatchRejected)) throw error;
      if (error.fittingCalls !== undefined) {
        batchSize.rejected(error.fittingCalls);
        continue;
      }
      // Batches count as unsupported once the endpoint answers one of these calls alone.
      batchSize.failed(batch.length);
      next += batch.length;
      await sendOneByOne(endpoint, batch, () => batchSize.unsupported());
    }
  }
}

function isRateLimited(answer: BatchAnswer): boolean {
  return 'error' in answer && answer.error.kind === 'rate-limited';
}

/** Settles the calls that were answered, and returns those that must be sent again alone. */
function settleCalls(calls: readonly PendingCall[], answers: readonly BatchAnswer[]): readonly PendingCall[] {
  return calls.filter((call, index) => {
    const answer = answers[index];
    if (answer === undefined || 'retryAlone' in answer) return true;
    if ('result' in answer) call.resolve(answer.result);
    else call.reject(answer.error);
    return false;
  });
}

async function sendOneByOne(requester: Requester, calls: readonly PendingCall[], onResult: () => void): Promise<void> {
  await mapLimit(calls, REQUESTS_IN_FLIGHT, undefined, async ({ method, params, options, resolve, reject }) => {
    try {
      const result = await requester.request(method, params, options);
      onResult();
      resolve(result);
    } catch (error) {
      reject(error);
    }
  });
}
