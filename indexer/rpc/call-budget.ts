/** While no calls are sent, those of this time are saved up, and may be sent at once later. */
export const SAVED_MS_MAX = 500;

/** Limits calls to a number per second. */
export type CallBudget = {
  /** Takes calls out of the budget. Returns how many milliseconds to wait before they are sent. */
  take(calls: number): number;
};

/**
 * Creates a budget. Calls are sent when they are paid for, so that no more go out at once than those of half a second. More might exceed
 * a limit per second together with those that follow. Of a larger batch, half a second is paid before it is sent, and the rest before the
 * next call, so that the average holds.
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
