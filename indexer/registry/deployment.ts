import type { Hex } from '../kernel/chain.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';

export type Deployment =
  | { readonly found: 'at'; readonly block: number }
  /** No endpoint remembers the state around it, so history is read from the first block on. */
  | { readonly found: 'pruned'; readonly block: 0; readonly warning: string }
  /** There is no code at the head either. */
  | { readonly found: 'nothing' };

/**
 * Finds the block in which a contract was deployed, by bisecting `eth_getCode`: some 25 requests.
 *
 * Code is taken to stay once it is there. Pruned state counts as "not yet", since only old state is pruned: so the answer
 * stands unless the block below it is a pruned one.
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
  let without = -1; // the highest block known to be without code, or pruned
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
  return {
    found: 'pruned',
    block: 0,
    warning: `no endpoint remembers the state below block ${withCode}, so the deployment block of ${address} is unknown: its history is read from block 0 (an archive endpoint, or deployed_at_block, spares that)`,
  };
}
