import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction, type Transaction } from '../db/transaction.ts';
import { isOfChain, tableOf } from '../facts/facts-sql.ts';
import type { BlockRef } from '../kernel/chain.ts';
import { HeadMoved } from '../kernel/errors.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { deleteCheckpointsAbove } from '../progress/checkpoints.ts';
import { unwindCoverage } from '../progress/contract-state.ts';
import { lockChain } from '../progress/locks.ts';
import { restartSweeps } from '../progress/sweep-rows.ts';
import { factTables, folds } from '../protocols/protocols.ts';
import type { Stage } from '../stages/stage.ts';
import { stages as allStages } from '../stages/stages.ts';
import { unwindStages } from '../stages/unwind-stages.ts';

/** The parameters of an unwind. */
export type Unwind = {
  readonly chainId: number;
  /** The newest block to keep. Undefined removes every block, so that the chain starts over. */
  readonly to: BlockRef | undefined;
  /** Whether the chain was reorganised or an operator ran the command. */
  readonly reason: 'reorg' | 'command';
  /** The chain's state when the unwind was decided. The unwind fails if it has changed. If undefined, any state is accepted. */
  readonly seen?: ChainState;
  /** The stages to unwind. Default: all stages. */
  readonly stages?: readonly Stage[];
};

/**
 * Removes everything that was derived from blocks above a block, in one transaction. Afterwards the database is as if no block above it
 * had been indexed. Clears a halt.
 *
 * @returns the number of deleted facts
 * @throws {HeadMoved} if the head or the epoch differs from `seen`
 */
export async function unwindTo(
  database: Database,
  { chainId, to, reason, seen, stages = allStages }: Unwind,
): Promise<number> {
  return longTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    const now = await readChain(tx, chainId);
    if (seen !== undefined && (now.head?.hash !== seen.head?.hash || now.epoch !== seen.epoch)) {
      throw new HeadMoved('another process moved the head first', { context: { chainId } });
    }
    const { head } = now;
    const keep = to?.number ?? -1;
    if (head === undefined || head.number <= keep) {
      await tx
        .updateTable('indexer.chains')
        .set({ status: 'following', status_reason: null })
        .where('chain_id', '=', String(chainId))
        .execute();
      return 0;
    }
    await sql`set constraints all deferred`.execute(tx);
    // Stages come first, because they need the facts and the state that are removed next.
    await unwindStages(tx, chainId, to, stages);
    const range = { chainId, from: keep + 1, to: head.number };
    await runSteps(
      tx,
      folds.toReversed().flatMap((fold) => fold.unwind(range)),
    );
    const removed = await deleteFacts(tx, chainId, range.from);
    await unwindCoverage(tx, chainId, to?.number);
    await restartSweeps(tx, chainId, { fromBlock: range.from, forgetsProperties: true });
    await deleteCheckpointsAbove(tx, chainId, keep);
    await recordUnwind(tx, { chainId, head, to, reason, removed });
    return removed;
  });
}

/** Deletes the facts of a chain at or above a block, including dead letters of logs. Returns their number. */
async function deleteFacts(tx: Transaction, chainId: number, from: number): Promise<number> {
  let removed = 0;
  for (const table of factTables) {
    const { numAffectedRows } = await sql`
      delete from ${tableOf(table)} where ${isOfChain(table, chainId)} and block_number >= ${from}
    `.execute(tx);
    removed += Number(numAffectedRows ?? 0);
  }
  return removed;
}

type UnwindRecord = {
  readonly chainId: number;
  readonly head: BlockRef;
  readonly to: BlockRef | undefined;
  readonly reason: string;
  readonly removed: number;
};

async function recordUnwind(tx: Transaction, { chainId, head, to, reason, removed }: UnwindRecord): Promise<void> {
  await sql`
    with unwound as (
      update indexer.chains set
        head_number = ${to?.number ?? null}, head_hash = ${to?.hash ?? null}, epoch = epoch + 1,
        finalized_number = case when ${to === undefined} then null else finalized_number end,
        safe_number = case when safe_number > ${to?.number ?? -1} then ${to?.number ?? null} else safe_number end,
        verified = verified - int8multirange(int8range(${(to?.number ?? -1) + 1}, null)),
        live_version = live_version + 1, -- contracts whose quarantine was lifted can be followed again
        status = 'following', status_reason = null, updated_at = now()
      where chain_id = ${chainId} returning epoch
    )
    insert into indexer.reorgs (chain_id, epoch, from_number, from_hash, to_number, to_hash, depth, reason, facts_removed)
    select ${chainId}, epoch, ${head.number}, ${head.hash}, ${to?.number ?? -1}, ${to?.hash ?? null},
      ${head.number - (to?.number ?? -1)}, ${reason}, ${removed}
    from unwound
  `.execute(tx);
}
