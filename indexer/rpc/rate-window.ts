/**
 * The length of the sliding window, in which at most the limit per second is sent. It is longer than a second, because requests that leave
 * a second apart may arrive closer together.
 */
const WINDOW_MS = 1_100;

/** Limits how much (calls or compute units) is sent per second. */
export type RateWindow = {
  /** Counts an amount that is about to be sent. Returns how many milliseconds to wait before sending it. */
  take(amount: number): number;
};

/**
 * Creates a sliding window, which lets at most the limit pass within any second. An amount that is larger than the limit is sent alone,
 * and the pause after it is longer in proportion to the amount.
 *
 * @param perSecond the limit: a number of calls or of compute units
 * @param now the time in milliseconds
 */
export function createRateWindow(perSecond: number, now: () => number): RateWindow {
  /** The amounts that were sent or wait to be sent, in order of time. Each amount counts against the limit until its time `until`. */
  const taken: { readonly until: number; readonly amount: number }[] = [];
  let sum = 0;
  let last = Number.NEGATIVE_INFINITY;

  return {
    take(amount) {
      if (amount === 0) return 0;
      let at = Math.max(last, now());
      for (let oldest = taken[0]; oldest !== undefined; oldest = taken[0]) {
        if (oldest.until > at && sum + amount <= perSecond) break;
        at = Math.max(at, oldest.until);
        taken.shift();
        sum = taken.length === 0 ? 0 : sum - oldest.amount;
      }
      taken.push({ until: at + WINDOW_MS * Math.max(1, amount / perSecond), amount });
      sum += amount;
      last = at;
      return at - now();
    },
  };
}
