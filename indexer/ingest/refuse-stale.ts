import type { Transaction } from '../db/transaction.ts';
import { StaleRange } from '../kernel/errors.ts';
import { type ChainState, lowestUnwindSince } from '../progress/chains.ts';
import type { ReadRange } from './fetch-batch.ts';

/** Throws `StaleRange` if the range ends above the head, or if the chain was unwound below the range's end since `seen` was read. */
export async function refuseStale(
  tx: Transaction,
  seen: ChainState,
  now: ChainState,
  range: Pick<ReadRange, 'chainId' | 'to'>,
): Promise<void> {
  if (now.head === undefined || range.to > now.head.number) {
    throw new StaleRange('the range ends above the head', { context: { to: range.to, head: now.head?.number } });
  }
  if (now.epoch === seen.epoch) return;
  const lowest = (await lowestUnwindSince(tx, range.chainId, seen.epoch)) ?? 0;
  if (lowest < range.to) {
    throw new StaleRange('the chain was unwound between the fetch of the range and its commit', {
      context: { to: range.to },
    });
  }
}
