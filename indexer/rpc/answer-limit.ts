/** Numbers of logs at which some nodes cut an answer to `eth_getLogs` without reporting an error. */
const ROUND_COUNTS: ReadonlySet<number> = new Set([
  10, 20, 25, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1_000, 1_024, 2_000, 2_048, 5_000, 10_000, 20_000, 50_000,
]);

/** Tracks the number of logs at which an endpoint cuts its answers to `eth_getLogs`. */
export type AnswerLimit = {
  /** Returns whether an answer with this many logs may have been cut. */
  mayBeCut(count: number): boolean;
  /** Records that an answer with this many logs was complete. */
  whole(count: number): void;
  /** Records that an answer with this many logs turned out to be cut. */
  cut(count: number): void;
};

/** Creates the answer limit of one endpoint. */
export function createAnswerLimit(): AnswerLimit {
  let largest = 0;
  let limit: number | undefined;
  return {
    // An endpoint that once gave this many logs or more in a complete answer does not cut answers at this number.
    mayBeCut: (count) => count > 0 && (count === limit || (count > largest && ROUND_COUNTS.has(count))),
    whole(count) {
      largest = Math.max(largest, count);
    },
    cut(count) {
      limit = count;
    },
  };
}
