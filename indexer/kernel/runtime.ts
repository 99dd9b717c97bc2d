/** The clock and the random number generator. `main` passes them down, so that a test can replace both. */
export type Runtime = {
  /** Returns the milliseconds since a fixed moment in the past. Never decreases. */
  readonly now: () => number;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
};
