/**
 * The time in which at most the configured amount is sent. It is longer than a second, because requests that leave a second apart may
 * arrive closer together.
 */
const WINDOW_MS = 1_100;

/** Keeps what is sent below a limit per second. */
export type RateWindow = {
  /** Takes an amount that is about to be sent. Returns how many milliseconds to wait before. */
  take(amount: number): number;
};

/**
 * Creates a window that slides: at no time has more than the limit been sent in the second before. What is larger than the limit is sent
 * alone, and is followed by a pause that makes up for it.
 *
 * @param perSecond the limit
 * @param now the time in milliseconds
 */
export function createRateWindow(perSecond: number, now: () => number): RateWindow {
  /** What was sent or waits to be sent, and until when it counts. In the order of time. */
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
