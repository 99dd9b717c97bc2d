/** Maximum time over which unused budget accumulates. The accumulated calls may later be sent at once. */
export const SAVED_MS_MAX = 500;

/** Limits calls to a number per second. */
export type CallBudget = {
  /** Charges calls to the budget. Returns how many milliseconds to wait before sending them. */
  take(calls: number): number;
};

/**
 * Creates a budget, which pays for `callsPerSecond` calls every second. A call waits until the budget has paid for it. At most the calls
 * of half a second are sent at once: more calls, together with the calls that follow, might exceed the endpoint's limit per second. A
 * batch with more calls than that is sent once half a second of calls is paid for. The next call waits until the whole batch is paid for,
 * so that the average rate is kept.
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
