/** The clock and the source of random numbers that `main` hands down, so that a test can replace both. */
export type Runtime = {
  /** Returns milliseconds since some moment in the past; never goes backwards. */
  readonly now: () => number;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
};
