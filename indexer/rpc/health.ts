import { Aborted, RpcError } from '../kernel/errors.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { orAborted } from './limit.ts';

/**
 * Long enough that an endpoint in trouble is asked far less often than a healthy one, short enough that work resumes
 * within seconds of its recovery.
 */
const FAILURE_BACKOFF: Backoff = { baseMs: 250, maxMs: 8_000 };

/**
 * The gate before an endpoint. While it is healthy everything passes. After a failure nothing passes for a while, then one
 * request is let through to try; whoever waits shares its fate.
 */
export type Health = {
  run<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  /** How long until something may pass, in milliseconds; 0 while healthy. */
  delayMs(): number;
};

export type HealthDeps = {
  readonly now: () => number;
  readonly random: () => number;
  /** Called when a healthy endpoint fails, and with undefined when it answers again. */
  readonly onChange: (error: RpcError | undefined) => void;
};

export function createHealth({ now, random, onChange }: HealthDeps): Health {
  let failures = 0;
  let failedAt = Number.NEGATIVE_INFINITY;
  let openAt = 0;
  let trial: Promise<void> | undefined;

  function settle(startedAt: number, error: RpcError | undefined): void {
    // What began before the last failure tells nothing new about the endpoint.
    if (startedAt < failedAt) return;
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

  /** The one request that is let through; those who wait learn of failures, not of what it asked. */
  function tryOut<T>(task: () => Promise<T>): Promise<T> {
    const result = attempt(task);
    const fate = result.then(
      () => undefined,
      (error: unknown) => {
        if (isFailure(error)) throw error;
      },
    );
    fate.catch(() => undefined);
    trial = fate;
    return result.finally(() => {
      if (trial === fate) trial = undefined;
    });
  }

  return {
    delayMs: () => (failures === 0 ? 0 : Math.max(0, openAt - now())),
    async run(task, signal) {
      while (failures > 0) {
        if (signal?.aborted) throw new Aborted('told to stop while an endpoint was in trouble');
        const wait = openAt - now();
        if (trial !== undefined) await orAborted(trial, signal);
        else if (wait > 0) await sleep(wait, signal);
        else return tryOut(task);
      }
      return attempt(task);
    },
  };
}

/** Whether an error says that the endpoint is in trouble, rather than answering a question. */
export function isFailure(error: unknown): error is RpcError {
  return error instanceof RpcError && (error.kind === 'unavailable' || error.kind === 'rate-limited');
}
