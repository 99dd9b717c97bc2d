import type { Transaction } from '../db/transaction.ts';
import type { BlockRef } from '../kernel/chain.ts';

/** The blocks over which a stage advances. The stage may read every fact at or below `to`. All contracts are complete up to `to`. */
export type Advance = {
  readonly chainId: number;
  /** The block that the stage's state is as of. Undefined if it has derived nothing yet. */
  readonly from: BlockRef | undefined;
  readonly to: BlockRef;
};

/**
 * A derivation of state that needs several contracts, or the state as of a past block. A stage runs after the commits, over blocks up to
 * which all contracts are complete.
 *
 * The runner owns the stage's row in `indexer.stages`, which holds the block that the stage is as of. It calls `advance` and updates the
 * row in one transaction. It calls `unwind` in the transaction of an unwind, before the folds. Both must be idempotent: `advance` for
 * blocks that were processed already, `unwind` for blocks that were unwound already.
 */
export type Stage = {
  readonly name: string;
  /** Advances the stage from block `from` to block `to`. Returns the number of rows written, for the log. */
  advance(tx: Transaction, range: Advance): Promise<number>;
  /** Removes state derived from blocks above `to` (-1: all state). Afterwards the state equals the state as of `to`. */
  unwind(tx: Transaction, chainId: number, to: number): Promise<void>;
};
