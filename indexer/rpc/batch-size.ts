/** Maximum number of calls in one batch. Erigon and Nethermind allow this many by default. */
export const BATCH_MAX_CALLS = 100;
/** Cooldown: how long the batch size does not grow after a batch failed. The cooldown doubles with every failure until a batch succeeds. */
const COOLDOWN_MS = 60_000;
const COOLDOWN_MAX_MS = 3_600_000;
/** Size of the batch that tests, after a cooldown in which calls were sent one by one, whether the endpoint accepts batches now. */
const PROBE_CALLS = 8;

/** Tracks how many calls an endpoint accepts in one batch. */
export type BatchSize = {
  /** Returns how many calls to send in one batch; 1 means to send calls one by one. */
  calls(): number;
  /** Records that a batch of this size succeeded. */
  accepted(calls: number): void;
  /** Records that a batch was rejected because of its size, and how many calls would fit. */
  rejected(fittingCalls: number): void;
  /** Records that a batch of this size failed, and that its calls may succeed in smaller batches or alone. */
  failed(calls: number): void;
  /** Records that the endpoint does not support batches. Ignored if it has answered a batch before. */
  unsupported(): void;
};

/** Creates the batch size of one endpoint. */
export function createBatchSize(now: () => number): BatchSize {
  let size = BATCH_MAX_CALLS;
  let hasSucceeded = false;
  let isUnsupported = false;
  let cooldownUntil = Number.NEGATIVE_INFINITY;
  let cooldownMs = COOLDOWN_MS;

  function shrink(calls: number): void {
    // Batches that were in flight together fail together. Extend the cooldown once for all of them.
    if (now() >= cooldownUntil) {
      cooldownUntil = now() + cooldownMs;
      cooldownMs = Math.min(2 * cooldownMs, COOLDOWN_MAX_MS);
    }
    size = Math.max(1, Math.min(size, calls));
  }

  return {
    calls() {
      if (isUnsupported) return 1;
      return size === 1 && now() >= cooldownUntil ? PROBE_CALLS : size;
    },
    accepted(calls) {
      hasSucceeded = true;
      cooldownMs = COOLDOWN_MS;
      if (now() >= cooldownUntil && calls >= size) size = Math.min(2 * calls, BATCH_MAX_CALLS);
    },
    rejected: shrink,
    failed: (calls) => shrink(hasSucceeded ? Math.floor(calls / 2) : 1),
    unsupported() {
      isUnsupported = !hasSucceeded;
    },
  };
}
