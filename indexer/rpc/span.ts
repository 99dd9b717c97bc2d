/** Where nothing was refused lately, an accepted request makes the next one so much larger. */
const GROWTH = 2;
/** A size that was refused is not tried again for so long. */
const CEILING_TTL_MS = 10_000;
/** Without a hint the size depends on what the blocks hold, and is tried again after so many requests were accepted. */
const ACCEPTED_BEFORE_GROWTH = 8;
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
  let growsAt = Number.NEGATIVE_INFINITY;
  let acceptedToGrow = 0;

  return {
    blocks: () => current,
    accepted(blocks) {
      // A request that was smaller for another reason (the end of the range) says nothing about this size.
      if (blocks < current) return;
      acceptedToGrow--;
      if (now() < growsAt && acceptedToGrow > 0) return;
      current = Math.max(current, Math.min(current * GROWTH, SPAN_MAX_BLOCKS));
    },
    refused(blocks, hintBlocks) {
      // A hint that is no smaller than what was refused would be refused for ever.
      const hint = hintBlocks !== undefined && hintBlocks < blocks ? hintBlocks : undefined;
      current = Math.max(1, Math.min(current, hint ?? Math.floor(blocks / 2)));
      growsAt = now() + CEILING_TTL_MS;
      acceptedToGrow = hint === undefined ? ACCEPTED_BEFORE_GROWTH : Number.POSITIVE_INFINITY;
    },
  };
}
