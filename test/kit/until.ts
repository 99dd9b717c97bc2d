import { setTimeout as wait } from 'node:timers/promises';

const LOOK_INTERVAL_MS = 20;
const TIMEOUT_MS = 60_000;

/**
 * Looks until there is something to see and gives it. What the look throws counts as nothing yet.
 *
 * @param what completes "waited in vain for …"
 * @throws after `timeoutMs`, with the last thing seen or thrown
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs: number = TIMEOUT_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  for (let last: unknown; ; await wait(LOOK_INTERVAL_MS)) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== null && seen !== false) return seen as NonNullable<Exclude<T, false>>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}${last === undefined ? '' : `: ${last}`}`, {
        cause: last,
      });
    }
  }
}
