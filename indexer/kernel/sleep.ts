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
