/** Calls that may be saved up while none are sent, in seconds of the rate. */
const SAVED_SECONDS_MAX = 1;

/** Limits calls to a number per second. */
export type CallBudget = {
  /** Takes calls out of the budget. Returns how many milliseconds to wait until the calls before these are paid for. */
  take(calls: number): number;
};

/**
 * Creates a budget. A batch may be larger than what a second allows: it is sent at once, and the next call waits until it is paid
 * for, so that the average holds.
 *
 * @param callsPerSecond returns how many calls each second pays for
 * @param now the time in milliseconds
 */
export function createCallBudget(callsPerSecond: () => number, now: () => number): CallBudget {
  /** The time until which the calls so far are paid for. */
  let paidUntil = Number.NEGATIVE_INFINITY;
  return {
    take(calls) {
      const begin = Math.max(paidUntil, now() - SAVED_SECONDS_MAX * 1_000);
      paidUntil = begin + (calls / callsPerSecond()) * 1_000;
      return Math.max(0, begin - now());
    },
  };
}
