import { setTimeout as wait } from 'node:timers/promises';

/** Resolves after `ms` milliseconds, or at once when `signal` aborts; never rejects, so that loops check their signal themselves. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal, ref: true }).catch(() => undefined);
}
