import type { Transaction } from '../db/transaction.ts';
import type { BlockRef } from '../kernel/chain.ts';

/** The blocks over which a stage advances. The stage may read every fact at or below `to`. All contracts are complete up to `to`. */
export type Advance = {
  readonly chainId: number;
  /** The last block that the stage's state includes. Undefined if the stage has derived nothing yet. */
  readonly from: BlockRef | undefined;
  readonly to: BlockRef;
};

/**
 * A rule that derives state for which a fold is not enough, because the rule needs facts of several contracts, or state as of a past
 * block. A stage runs after the commits, over blocks up to which all contracts are complete.
 *
 * The caller of a stage writes the stage's row in `indexer.stages`, which holds the last block that the stage's state includes. The caller
 * updates the row in the transaction that calls `advance` or `unwind`. When the chain is unwound, stages are unwound before the folds.
 * Both methods must be idempotent: `advance` for blocks that were processed already, `unwind` for blocks that were unwound already.
 */
export type Stage = {
  readonly name: string;
  /** Advances the stage from block `from` to block `to`. Returns the number of rows written, for the log. */
  advance(tx: Transaction, range: Advance): Promise<number>;
  /** Removes state derived from blocks above `to` (-1: all state). Afterwards the state equals the state as of `to`. */
  unwind(tx: Transaction, chainId: number, to: number): Promise<void>;
};
