/** Factor by which the range size (the number of blocks to request) grows after an accepted request. */
const GROWTH = 2;
/** Cooldown: how long the size does not grow after a range size was rejected. */
const COOLDOWN_MS = 10_000;
/** Number of accepted requests that end the cooldown early, unless the provider named its limit. */
const ACCEPTED_BEFORE_GROWTH = 8;
const MAX_BLOCKS = 100_000;

/** Tracks how many blocks an endpoint serves in one `eth_getLogs` request. Shrinks on rejection and grows again later. */
export type RangeSize = {
  /** Returns how many blocks the next request should ask for. */
  blocks(): number;
  /** Records that a request for this many blocks succeeded. */
  accepted(blocks: number): void;
  /** Records that a request for this many blocks was rejected, with the number of blocks that the provider suggests. */
  rejected(blocks: number, hintBlocks: number | undefined): void;
};

/** Creates the range size of one endpoint. */
export function createRangeSize(initialBlocks: number, now: () => number): RangeSize {
  let current = initialBlocks;
  let cooldownUntil = Number.NEGATIVE_INFINITY;
  let acceptedToGrow = 0;

  return {
    blocks: () => current,
    accepted(blocks) {
      // A smaller request (at the end of a range, for example) does not show that the current size works.
      if (blocks < current) return;
      acceptedToGrow--;
      if (now() < cooldownUntil && acceptedToGrow > 0) return;
      current = Math.max(current, Math.min(current * GROWTH, MAX_BLOCKS));
    },
    rejected(blocks, hintBlocks) {
      // Ignore a hint that is not smaller than the rejected size, because it would be rejected again.
      const hint = hintBlocks !== undefined && hintBlocks < blocks ? hintBlocks : undefined;
      current = Math.max(1, Math.min(current, hint ?? Math.floor(blocks / 2)));
      cooldownUntil = now() + COOLDOWN_MS;
      // Without a hint the limit probably depends on the number of logs, so a larger size may soon work again.
      acceptedToGrow = hint === undefined ? ACCEPTED_BEFORE_GROWTH : Number.POSITIVE_INFINITY;
    },
  };
}
