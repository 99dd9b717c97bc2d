import { Aborted, RpcError } from '../kernel/errors.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { orAborted } from './concurrency.ts';

/**
 * Pause after failures: long enough to ask a failing endpoint far less often than a healthy one, short enough to resume within
 * seconds of its recovery.
 */
const FAILURE_BACKOFF: Backoff = { baseMs: 250, maxMs: 8_000 };

/**
 * A circuit breaker in front of an endpoint. While the endpoint is healthy, every request passes. After a failure all requests
 * wait for a backoff, then one trial request passes. If it fails, the waiting requests fail with it.
 */
export type Health = {
  /** Runs a task when the endpoint may be used. Throws what the task or the trial request throws. */
  run<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  /** Returns how long all requests must wait, in milliseconds; 0 while healthy. */
  delayMs(): number;
  /** Returns the newest failure; undefined while healthy. */
  failure(): RpcError | undefined;
};

/** Dependencies of the health of an endpoint, or of one method of it. */
export type HealthDeps = {
  /** Returns whether an error counts as a failure. Any other error, except `Aborted`, shows that the endpoint answers. */
  readonly isFailure: (error: unknown) => error is RpcError;
  readonly now: () => number;
  readonly random: () => number;
  /** Called with the error when a healthy endpoint fails, and with undefined when it has recovered. */
  readonly onChange: (error: RpcError | undefined) => void;
};

/** Creates the health of one endpoint, or of one method of it, which starts healthy. */
export function createHealth({ isFailure, now, random, onChange }: HealthDeps): Health {
  let failures = 0;
  let failure: RpcError | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;
  let openAt = 0;
  let trial: Promise<void> | undefined;

  function settle(startedAt: number, error: RpcError | undefined): void {
    // A request that started before the last failure is no new evidence.
    if (startedAt < failedAt) return;
    failure = error;
    if (error === undefined) {
      if (failures > 0) onChange(undefined);
      failures = 0;
      return;
    }
    if (failures === 0) onChange(error);
    failures++;
    failedAt = now();
    openAt = failedAt + Math.max(error.retryAfterMs ?? 0, backoffMs(failures, FAILURE_BACKOFF, random));
  }

  async function attempt<T>(task: () => Promise<T>): Promise<T> {
    const startedAt = now();
    try {
      const result = await task();
      settle(startedAt, undefined);
      return result;
    } catch (error) {
      if (isFailure(error)) settle(startedAt, error);
      else if (!(error instanceof Aborted)) settle(startedAt, undefined);
      throw error;
    }
  }

  /** Runs the trial request. If it fails (see `isFailure`), waiting requests fail with it. Any other error concerns only the trial. */
  function runTrial<T>(task: () => Promise<T>): Promise<T> {
    const result = attempt(task);
    const outcome = result.then(
      () => undefined,
      (error: unknown) => {
        if (isFailure(error)) throw error;
      },
    );
    outcome.catch(() => undefined);
    trial = outcome;
    return result.finally(() => {
      if (trial === outcome) trial = undefined;
    });
  }

  return {
    failure: () => failure,
    delayMs: () => (failures === 0 ? 0 : Math.max(0, openAt - now())),
    async run(task, signal) {
      while (failures > 0) {
        if (signal?.aborted) throw new Aborted('aborted while waiting for an endpoint to recover');
        const wait = openAt - now();
        if (trial !== undefined) await orAborted(trial, signal);
        else if (wait > 0) await sleep(wait, signal);
        else return runTrial(task);
      }
      return attempt(task);
    },
  };
}

/** Returns whether an error is a failure of the endpoint, rather than an answer about the request. */
export function isEndpointFailure(error: unknown): error is RpcError {
  return (
    error instanceof RpcError && (error.kind === 'rate-limited' || (error.kind === 'unavailable' && !error.answered))
  );
}

/** Returns whether a node answered with an error that cannot be classified. The error says nothing about the other methods of the node. */
export function isMethodFailure(error: unknown): error is RpcError {
  return error instanceof RpcError && error.kind === 'unavailable' && error.answered;
}
