import { HttpRequestError, RpcRequestError, TimeoutError } from 'viem';
import { getHttpRpcClient } from 'viem/utils';
import { openConnections, TooLarge } from './fetch.ts';
import type { Failure, Outcome, Transport } from './transport.ts';

/**
 * JSON-RPC over HTTP through viem's client, below its transport: no retries, no batches, a bound on the body, one abort
 * signal a request. Connections are kept alive by Node's `fetch`.
 */
export function connectHttp(url: string, timeoutMs: number): Transport {
  const client = getHttpRpcClient(url, { timeout: timeoutMs });
  const connections = openConnections(url);
  return {
    async request(method, params, { signal, maxBytes }): Promise<Outcome> {
      let response: Response | undefined;
      try {
        const answer: unknown = await client.request({
          body: { method, params: params as unknown[] },
          fetchOptions: { signal },
          fetchFn: connections.fetch(maxBytes),
          maxResponseBodySize: false, // it was bounded while it was read
          onResponse: (received) => {
            response = received;
          },
        });
        return outcomeOf(answer, response);
      } catch (error) {
        if (signal.aborted) return { failure: { how: 'aborted', text: '' } };
        return { failure: failureOf(error, response) };
      }
    },
    close: () => connections.close(),
  };
}

/** The result, where there is one and no error beside it: an error body is never an empty result. */
export function outcomeOf(answer: unknown, response?: Response): Outcome {
  const { result, error } = (typeof answer === 'object' && answer !== null ? answer : {}) as {
    result?: unknown;
    error?: unknown;
  };
  if (error !== undefined && error !== null) return { failure: answered(error, response) };
  if (result !== undefined) return { result };
  return { failure: { how: 'broken', text: `an answer without a result: ${JSON.stringify(answer)?.slice(0, 200)}` } };
}

function answered(error: unknown, response: Response | undefined): Failure {
  const { code, message, data } = (typeof error === 'object' && error !== null ? error : { message: error }) as {
    code?: unknown;
    message?: unknown;
    data?: unknown;
  };
  const text = typeof message === 'string' ? message : JSON.stringify(error);
  return {
    how: 'answered',
    ...httpOf(response),
    code: typeof code === 'number' ? code : undefined,
    // Some say in `data` what the message leaves out (Besu, Nethermind); contract data of a revert is of no use here.
    text: typeof data === 'string' && !data.startsWith('0x') ? `${text} ${data}` : text,
  };
}

function failureOf(error: unknown, response: Response | undefined): Failure {
  const http = httpOf(response);
  if (error instanceof TimeoutError) return { how: 'broken', text: 'no answer in time' };
  if (error instanceof RpcRequestError) {
    return { ...answered({ code: error.code, message: error.details, data: error.data }, response) };
  }
  const reason = innermost(error);
  if (reason instanceof TooLarge) return { how: 'too-large', text: reason.message };
  const text = reason instanceof Error ? reason.message || reason.name : String(reason);
  if (http.status === undefined) return { how: 'broken', text };
  const body = error instanceof HttpRequestError && error.status !== undefined ? error.details : text;
  return { how: 'answered', ...http, text: body };
}

function httpOf(response: Response | undefined): Pick<Failure, 'status' | 'retryAfter'> {
  if (response === undefined) return {};
  const retryAfter = response.headers.get('retry-after');
  return response.ok ? { retryAfter } : { status: response.status, retryAfter };
}

/** The innermost reason (`connect ECONNREFUSED …`): what viem wraps around it is the URL and the request. */
function innermost(error: unknown): unknown {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  return inner instanceof AggregateError && inner.errors.length > 0 ? inner.errors[0] : inner;
}
