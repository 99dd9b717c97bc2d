import type { BlockRef } from '../kernel/chain.ts';

/** How many of the newest blocks are compared one by one before the search becomes binary. */
const LINEAR_STEPS = 4;

/**
 * Finds the newest remembered block that is still on the chain (`ancestor`), and the next newer remembered block, which is not
 * (`firstLost`).
 *
 * Most reorgs are shallow, so the first steps are linear. After that the search is binary, because a chain that has a block also has the
 * blocks below it.
 *
 * @param remembered blocks that the database knows, newest first
 * @param onChain returns whether the chain has a block
 */
export async function commonAncestor(
  remembered: readonly BlockRef[],
  onChain: (block: BlockRef) => Promise<boolean>,
): Promise<{ readonly ancestor: BlockRef | undefined; readonly firstLost: BlockRef | undefined }> {
  let low = 0;
  let high = remembered.length;
  // Invariant: every block before `low` is lost; the block at `high` is still on the chain, or there is none left.
  while (low < high) {
    const at = low < LINEAR_STEPS ? low : (low + high) >>> 1;
    if (await onChain(remembered[at] as BlockRef)) high = at;
    else low = at + 1;
  }
  return { ancestor: remembered[low], firstLost: low === 0 ? undefined : remembered[low - 1] };
}
