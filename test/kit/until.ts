import { setTimeout as wait } from 'node:timers/promises';

/** `until` checks less and less often while it waits, because frequent checks during a long wait would keep the machine busy. */
const CHECK_INTERVAL_MS = 10;
const CHECK_INTERVAL_MAX_MS = 150;
const CHECK_INTERVAL_GROWTH = 1.2;
/**
 * How long tests wait for a condition before they report a hang. It is at least ten times what the slowest condition takes on an
 * idle machine, and does not assert a speed.
 */
export const HANG_TIMEOUT_MS = 180_000;
/** How long a test or hook may take before it counts as hanging. It is enough for several waits. */
export const TEST_TIMEOUT_MS = 600_000;

/**
 * Calls `check` until it returns a value other than undefined, null or false, and returns that value. Errors count as no value.
 *
 * @param what completes the message "timed out after … ms waiting for …"
 * @throws after `HANG_TIMEOUT_MS`, with the last error as the cause
 */
export async function until<T>(what: string, check: () => T | Promise<T>): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + HANG_TIMEOUT_MS;
  let interval = CHECK_INTERVAL_MS;
  for (let last: unknown; ; await wait(interval)) {
    interval = Math.min(interval * CHECK_INTERVAL_GROWTH, CHECK_INTERVAL_MAX_MS);
    try {
      const value = await check();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(
        `timed out after ${HANG_TIMEOUT_MS} ms waiting for ${what}${last === undefined ? '' : `: ${last}`}`,
        {
          cause: last,
        },
      );
    }
  }
}
