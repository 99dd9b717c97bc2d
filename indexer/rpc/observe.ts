import { Aborted, RpcError } from '../kernel/errors.ts';
import type { BatchAnswer, Client } from './client.ts';

/**
 * The outcome of calls:
 *
 * - `ok`: they have results.
 * - `refused`: the node answered with an error about the call, such as a range that is too wide, or a revert.
 * - `rate-limited`: the endpoint received too many calls.
 * - `timeout`: there was no answer in time.
 * - `error`: there was no usable answer: no connection, an HTTP error status, a malformed response.
 * - `aborted`: the program gave up waiting.
 */
export type RpcOutcome = 'ok' | 'refused' | 'rate-limited' | 'timeout' | 'error' | 'aborted';

/** Calls of one method that were sent in one request and had the same outcome. Contains no secret. */
export type RpcObservation = {
  readonly chain: number;
  /** Host (or the key of a viem transport) and index of the endpoint, as in `rpc.example.org#0`. */
  readonly endpoint: string;
  readonly method: string;
  readonly outcome: RpcOutcome;
  /** The number of calls. It is 1 unless the request was a batch. */
  readonly calls: number;
  /** How long the request took, without the time that it waited to be sent. */
  readonly seconds: number;
};

/** Receives an observation after each request. It must not throw. */
export type RpcObserver = (observation: RpcObservation) => void;

/**
 * Returns a client that reports every request. A batch is reported once for each method and outcome among its calls. A subscription is
 * reported as `eth_subscribe` when it begins or fails.
 *
 * @param now the time in milliseconds
 */
export function observeClient(client: Client, chain: number, observe: RpcObserver, now: () => number): Client {
  const { name: endpoint, batch, subscribe } = client;

  const report = (method: string, outcome: RpcOutcome, calls: number, startedAt: number) =>
    observe({ chain, endpoint, method, outcome, calls, seconds: (now() - startedAt) / 1_000 });

  async function observed<T>(method: string, task: () => Promise<T>): Promise<T> {
    const startedAt = now();
    try {
      const result = await task();
      report(method, 'ok', 1, startedAt);
      return result;
    } catch (error) {
      report(method, outcomeOf(error), 1, startedAt);
      throw error;
    }
  }

  return {
    ...client,
    request: (method, params, options) => observed(method, () => client.request(method, params, options)),
    batch:
      batch &&
      (async (calls, signal) => {
        const startedAt = now();
        const reportAll = (outcomeAt: (index: number) => RpcOutcome) => {
          const groups = new Map<string, { method: string; outcome: RpcOutcome; count: number }>();
          for (const [index, { method }] of calls.entries()) {
            const outcome = outcomeAt(index);
            const group = groups.get(`${method} ${outcome}`);
            if (group === undefined) groups.set(`${method} ${outcome}`, { method, outcome, count: 1 });
            else group.count++;
          }
          for (const { method, outcome, count } of groups.values()) report(method, outcome, count, startedAt);
        };
        try {
          const answers = await batch(calls, signal);
          reportAll((index) => outcomeOfAnswer(answers[index]));
          return answers;
        } catch (error) {
          const outcome = outcomeOf(error);
          reportAll(() => outcome);
          throw error;
        }
      }),
    subscribe: subscribe && ((onHead, onLost) => observed('eth_subscribe', () => subscribe(onHead, onLost))),
  };
}

function outcomeOfAnswer(answer: BatchAnswer | undefined): RpcOutcome {
  if (answer === undefined || 'retryAlone' in answer) return 'refused';
  return 'result' in answer ? 'ok' : outcomeOf(answer.error);
}

function outcomeOf(error: unknown): RpcOutcome {
  if (error instanceof Aborted) return 'aborted';
  // Any other error is a `BatchRejected`: the endpoint answered, but refused the batch as a whole.
  if (!(error instanceof RpcError)) return 'refused';
  if (error.kind === 'rate-limited') return 'rate-limited';
  if (error.timedOut) return 'timeout';
  return error.kind === 'unavailable' && !error.answered ? 'error' : 'refused';
}
