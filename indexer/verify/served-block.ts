import { RpcError } from '../kernel/errors.ts';
import type { ChainState } from '../progress/chains.ts';
import type { ContractCall, Source } from '../source/source.ts';
import { askViews } from './multicall.ts';

/** The block as of which contracts are compared, and a note on why it is not the newest finalized block. The note is null if it is. */
export type ServedBlock = { readonly block: number; readonly note: string | null };

/** Returns whether an error means that no endpoint has the chain's state as of a block, and not that endpoints fail for the moment. */
export function isStateMissing(error: unknown): boolean {
  return error instanceof RpcError && (error.kind === 'pruned' || error.kind === 'unknown-block');
}

/**
 * Chooses the newest finalized block, if an endpoint has the chain's state as of this block. Otherwise chooses the newest block that both
 * the database and the endpoints have, if an endpoint has the chain's state as of that block.
 *
 * @param probe a call that is tried to find out whether an endpoint has the chain's state as of a block
 * @returns the chosen block; or the reason (`refusal`) if no endpoint has the state as of these two blocks, or no block is committed yet
 */
export async function chooseServedBlock(
  source: Pick<Source, 'calls' | 'finalized' | 'head'>,
  { head, finalized }: ChainState,
  probe: ContractCall,
  signal: AbortSignal,
): Promise<ServedBlock | { readonly refusal: string }> {
  if (head === undefined) return { refusal: 'no block is committed yet' };
  const newest = await source.head(signal);
  const known = Math.min(head.number, newest.number);
  const final = Math.min(known, Math.max(finalized ?? -1, (await source.finalized(signal, newest)) ?? -1));
  if (final >= 0 && (await isServed(source, final, probe, signal))) return { block: final, note: null };
  if (known > final && (await isServed(source, known, probe, signal))) {
    return {
      block: known,
      note: `no endpoint serves the state of finalized block ${final}: compared at block ${known}`,
    };
  }
  return { refusal: `no endpoint serves the state of block ${final} or ${known}` };
}

async function isServed(
  source: Pick<Source, 'calls'>,
  blockNumber: number,
  probe: ContractCall,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await askViews(source, { calls: [probe], blockNumber }, signal);
    return true;
  } catch (error) {
    if (isStateMissing(error)) return false;
    throw error;
  }
}
