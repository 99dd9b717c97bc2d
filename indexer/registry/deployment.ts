import type { Hex } from '../kernel/chain.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';

/** The result of the search for a deployment block. */
export type Deployment =
  | { readonly found: 'at'; readonly block: number }
  /** The contract may have been deployed below `oldestState`, but no endpoint has older state. Its history begins at block 0. */
  | { readonly found: 'pruned'; readonly block: 0; readonly oldestState: number }
  /** There is no code at the head. */
  | { readonly found: 'nothing' };

/**
 * Finds the block in which a contract was deployed by bisecting `eth_getCode`, with about 25 requests.
 *
 * Assumes that code is never removed. Only old state is pruned, so a pruned block counts as a block without code. The result is
 * exact unless the state of the block below it is pruned.
 *
 * @param head the newest block to look at
 */
export async function findDeployment(
  reader: ChainReader,
  address: Hex,
  head: number,
  signal: AbortSignal,
): Promise<Deployment> {
  if ((await reader.codeAt(address, head, signal)) !== true) return { found: 'nothing' };
  let without = -1; // the highest block without code or with pruned state
  let withoutIsPruned = false;
  let withCode = head;
  while (withCode - without > 1) {
    const middle = without + Math.floor((withCode - without) / 2);
    const answer = await reader.codeAt(address, middle, signal);
    if (answer === true) {
      withCode = middle;
    } else {
      without = middle;
      withoutIsPruned = answer === 'pruned';
    }
  }
  if (!withoutIsPruned) return { found: 'at', block: withCode };
  return { found: 'pruned', block: 0, oldestState: withCode };
}
