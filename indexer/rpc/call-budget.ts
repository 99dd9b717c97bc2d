/** Unused budget is saved up for at most this long. The saved calls may later be sent at once. */
export const SAVED_MS_MAX = 500;

/** Limits calls to a number per second. */
export type CallBudget = {
  /** Takes calls out of the budget. Returns how many milliseconds to wait before they are sent. */
  take(calls: number): number;
};

/**
 * Creates a budget. Each call waits until enough time has passed to pay for it, so that at most half a second's calls go out at once.
 * More at once, together with the calls that follow, might exceed a limit per second. A batch that costs more than half a second is
 * sent when half a second is paid. The next call waits until the rest is paid, so that the average holds.
 *
 * @param callsPerSecond returns how many calls each second pays for
 * @param now the time in milliseconds
 */
export function createCallBudget(callsPerSecond: () => number, now: () => number): CallBudget {
  /** The time until which the calls so far are paid for. */
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
