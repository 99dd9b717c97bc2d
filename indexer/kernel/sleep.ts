import { setTimeout as wait } from 'node:timers/promises';

/** Resolves after `ms` milliseconds, or at once when the signal aborts. Never rejects, because loops check their signal themselves. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal, ref: true }).catch(() => undefined);
}

/**
 * Returns the value of the promise, or undefined if `ms` milliseconds pass or the signal aborts first. Clears its timer in every
 * case.
 */
export async function within<T>(ms: number, promise: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  const settled = new AbortController();
  const timerSignal = signal === undefined ? settled.signal : AbortSignal.any([signal, settled.signal]);
  try {
    return await Promise.race([promise, sleep(ms, timerSignal).then(() => undefined)]);
  } finally {
    settled.abort();
  }
}

/** Returns the value of the promise, or undefined if it does not settle within `ms` milliseconds after the signal aborts. */
export function orStopped<T>(promise: Promise<T>, signal: AbortSignal, ms: number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      timer = setTimeout(() => resolve(undefined), ms);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const clear = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    };
    promise.then(resolve, reject).finally(clear);
  });
}
