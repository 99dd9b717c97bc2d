import { Aborted } from '../kernel/errors.ts';

/** Runs a limited number of tasks at a time, in the order in which they came. The limit can change while tasks run. */
export type Limiter = {
  /** Waits for a free slot, then runs the task. Throws `Aborted` if the signal aborts while waiting. */
  run<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  /** Halves the limit, down to one. */
  narrow(): void;
  /** Raises the limit by one, up to the configured maximum. */
  widen(): void;
};

/** Creates a limiter that runs at most `max` tasks at a time. */
export function createLimiter(max: number): Limiter {
  let limit = max;
  let running = 0;
  const waiting = new Set<() => void>();

  function startNext(): void {
    for (const start of waiting) {
      if (running >= limit) return;
      waiting.delete(start);
      running++;
      start();
    }
  }

  function acquireSlot(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        waiting.delete(start);
        reject(new Aborted('aborted while waiting for a free request slot'));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      waiting.add(start);
      startNext();
    });
  }

  return {
    async run(task, signal) {
      await acquireSlot(signal);
      try {
        return await task();
      } finally {
        running--;
        startNext();
      }
    },
    narrow() {
      limit = Math.max(1, Math.floor(limit / 2));
    },
    widen() {
      limit = Math.min(max, limit + 1);
      startNext();
    },
  };
}

/** Returns the value of a promise, or throws `Aborted` as soon as the signal aborts. Does not stop the work that settles the promise. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Aborted('aborted'));
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/**
 * Maps items with at most `limit` calls of `map` at a time. The results are in the order of the items. After the first failure, aborts
 * the running calls, waits for them, and throws the failure.
 */
export async function mapLimit<T, R>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal | undefined,
  map: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (signal?.aborted) stop.abort();
  signal?.addEventListener('abort', abort, { once: true });
  const results = new Array<R>(items.length);
  const entries = items.entries();
  let failure: { readonly error: unknown } | undefined;
  async function work(): Promise<void> {
    for (const [index, item] of entries) {
      if (failure !== undefined) return;
      try {
        results[index] = await map(item, stop.signal);
      } catch (error) {
        failure ??= { error };
        stop.abort();
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  if (failure !== undefined) throw failure.error;
  return results;
}
