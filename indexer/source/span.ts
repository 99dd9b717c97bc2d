/** An accepted request makes the next one so much larger. */
const GROWTH = 2;
/** After a refusal the size that was refused is not tried again for so long. */
const CEILING_TTL_MS = 60_000;
const SPAN_MAX_BLOCKS = 100_000;

/** How many blocks an endpoint serves in one `eth_getLogs`: learnt from its refusals, and tried again later. */
export type Span = {
  /** Blocks to ask for next. */
  blocks(): number;
  /** A request for so many blocks was answered. */
  accepted(blocks: number): void;
  /** A request for so many blocks was refused, perhaps with a hint at how many would do. */
  refused(blocks: number, hintBlocks: number | undefined): void;
};

export function createSpan(initialBlocks: number, now: () => number): Span {
  let current = initialBlocks;
  let ceiling = SPAN_MAX_BLOCKS;
  let ceilingUntil = Number.NEGATIVE_INFINITY;

  return {
    blocks: () => current,
    accepted(blocks) {
      // A request that was smaller for another reason (the end of the range) says nothing about this size.
      if (blocks < current) return;
      const limit = now() < ceilingUntil ? ceiling : SPAN_MAX_BLOCKS;
      current = Math.max(current, Math.min(current * GROWTH, limit));
    },
    refused(blocks, hintBlocks) {
      // A hint that is no smaller than what was refused would be refused for ever.
      const narrower = hintBlocks !== undefined && hintBlocks < blocks ? hintBlocks : Math.floor(blocks / 2);
      current = Math.max(1, Math.min(current, narrower));
      ceiling = hintBlocks !== undefined && hintBlocks < blocks ? hintBlocks : blocks - 1;
      ceilingUntil = now() + CEILING_TTL_MS;
    },
  };
}
