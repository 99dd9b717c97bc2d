/** Maximum time over which unused budget accumulates. The accumulated calls may later be sent at once. */
export const SAVED_MS_MAX = 500;

/** Limits calls to a number per second. */
export type CallBudget = {
  /** Charges calls to the budget. Returns how many milliseconds to wait before sending them. */
  take(calls: number): number;
};

/**
 * Creates a budget, which pays for a number of calls every second. Each call waits until the budget can pay for it. At most the calls of
 * half a second are sent at once, because more of them, together with the calls that follow, might exceed a limit per second. A batch
 * that costs more than half a second is sent when half a second of its cost is paid. The next call waits until the rest is paid, so
 * that the average rate is kept.
 *
 * @param callsPerSecond returns how many calls the budget pays for each second
 * @param now the time in milliseconds
 */
export function createCallBudget(callsPerSecond: () => number, now: () => number): CallBudget {
  /** The time at which the budget has paid for all calls so far. */
  let paidUntil = Number.NEGATIVE_INFINITY;
  return {
    take(calls) {
      const begin = Math.max(paidUntil, now() - SAVED_MS_MAX);
      const costMs = (calls / callsPerSecond()) * 1_000;
      paidUntil = begin + costMs;
      return Math.max(0, begin + Math.min(costMs, SAVED_MS_MAX) - now());
    },
  };
}
