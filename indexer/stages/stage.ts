import type { Transaction } from '../db/transaction.ts';
import type { BlockRef } from '../kernel/chain.ts';

/** What a stage may read when it advances: every fact at or below `to`, of contracts that are complete up to it. */
export type Advance = {
  readonly chainId: number;
  /** The block that the stage's state is as of; undefined where it has derived nothing yet. */
  readonly from: BlockRef | undefined;
  readonly to: BlockRef;
};

/**
 * State that needs more than one contract, or a moment of history. It runs behind the commits, over contiguous coverage.
 *
 * The runner owns the row `(chain, stage) → as of`. It calls `advance` and moves the row in one transaction, and calls `unwind`
 * in the transaction of an unwind, before the folds. Both must leave no trace where they are called again: `advance` for a range
 * that was seen already, `unwind` for one of which nothing is left.
 */
export type Stage = {
  readonly name: string;
  /** Brings the stage from `from` to `to`. Returns the rows written, for the log. */
  advance(tx: Transaction, range: Advance): Promise<number>;
  /** Removes what was derived from blocks above `to` (-1 for all of it). Afterwards the stage is as it was when it was as of `to`. */
  unwind(tx: Transaction, chainId: number, to: number): Promise<void>;
};
