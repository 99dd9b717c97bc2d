import type { BlockRef } from '../kernel/chain.ts';

/** How many of the newest remembered blocks are compared one by one before the search halves. */
const LINEAR_STEPS = 4;

/**
 * The newest of our remembered blocks that the chain still has, and the block of ours that follows it.
 *
 * `ours` are remembered blocks, newest first. A block that the chain has means that it has all below, so that after a few
 * steps the search halves.
 */
export async function commonAncestor(
  ours: readonly BlockRef[],
  onChain: (block: BlockRef) => Promise<boolean>,
): Promise<{ readonly ancestor: BlockRef | undefined; readonly firstLost: BlockRef | undefined }> {
  let low = 0;
  let high = ours.length;
  // Invariant: every block before `low` is lost; the block at `high` is still on the chain, or there is none left.
  while (low < high) {
    const at = low < LINEAR_STEPS ? low : (low + high) >>> 1;
    if (await onChain(ours[at] as BlockRef)) high = at;
    else low = at + 1;
  }
  return { ancestor: ours[low], firstLost: low === 0 ? undefined : ours[low - 1] };
}
