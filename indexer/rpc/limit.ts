import { Aborted } from '../kernel/errors.ts';

/** Lets a bounded and changeable number of tasks run at a time, in the order in which they came. */
export type Limiter = {
  /** Waits for a place, then runs the task. Throws `Aborted` where the signal aborts while waiting. */
  run<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  /** Halves the places, to one at least. */
  narrow(): void;
  /** Gives back one place, up to the configured number. */
  widen(): void;
};

export function createLimiter(max: number): Limiter {
  let places = max;
  let running = 0;
  const waiting = new Set<() => void>();

  function next(): void {
    for (const start of waiting) {
      if (running >= places) return;
      waiting.delete(start);
      running++;
      start();
    }
  }

  function place(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        waiting.delete(start);
        reject(new Aborted('told to stop while waiting for a place'));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      waiting.add(start);
      next();
    });
  }

  return {
    async run(task, signal) {
      await place(signal);
      try {
        return await task();
      } finally {
        running--;
        next();
      }
    },
    narrow() {
      places = Math.max(1, Math.floor(places / 2));
    },
    widen() {
      places = Math.min(max, places + 1);
      next();
    },
  };
}

/** The promise, or `Aborted` as soon as the signal aborts; what the promise stands for goes on. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Aborted('told to stop'));
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/**
 * Maps with at most `limit` calls at a time; results in the order of the items. The first failure aborts the calls that
 * run, waits for them, and is thrown.
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
