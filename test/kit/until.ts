import { setTimeout as wait } from 'node:timers/promises';

const LOOK_INTERVAL_MS = 20;
/**
 * How long tests wait for a condition before they report a hang: at least ten times what the slowest condition needs on an idle
 * machine. It never says how fast something must be.
 */
export const HANG_TIMEOUT_MS = 180_000;
/** How long a whole test or hook may take before it counts as hanging: several waits fit into it. */
export const TEST_TIMEOUT_MS = 600_000;

/**
 * Looks until there is something to see and gives it. What the look throws counts as nothing yet.
 *
 * @param what completes "waited in vain for …"
 * @throws after `HANG_TIMEOUT_MS`, with the last thing seen or thrown
 */
export async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + HANG_TIMEOUT_MS;
  for (let last: unknown; ; await wait(LOOK_INTERVAL_MS)) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== null && seen !== false) return seen as NonNullable<Exclude<T, false>>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${HANG_TIMEOUT_MS} ms in vain for ${what}${last === undefined ? '' : `: ${last}`}`, {
        cause: last,
      });
    }
  }
}
