import { sql } from 'kysely';
import { isTransactionConflict, makesConnectionUnusable, SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import type { Transaction } from '../db/transaction.ts';
import type { BlockRef } from '../kernel/chain.ts';
import { messageOf } from '../kernel/errors.ts';
import { deleteStageRow, markUnknownStages, readStageRows, writeStageRow } from '../progress/stage-rows.ts';
import type { Stage } from './stage.ts';

/** A failed stage and its error. */
export type StageFailure = { readonly name: string; readonly error: unknown };

/**
 * Unwinds every stage whose state includes blocks above the block `to`, and updates the stage's row in `indexer.stages`. If `to` is
 * undefined, removes all state of the stages. The last stage is unwound first.
 *
 * If a stage fails, its row records the reason and that the stage must be unwound before it advances again. The transaction continues
 * without this stage.
 *
 * @returns the stages that failed
 */
export async function unwindStages(
  tx: Transaction,
  chainId: number,
  to: BlockRef | undefined,
  stages: readonly Stage[],
): Promise<readonly StageFailure[]> {
  const keep = to?.number ?? -1;
  const rows = await readStageRows(tx, chainId);
  const failures: StageFailure[] = [];
  for (const stage of stages.toReversed()) {
    const row = rows.get(stage.name);
    if (row?.asOf === undefined || row.asOf.number <= keep) continue;
    const failure = await runInSavepoint(tx, stage, () => stage.unwind(tx, chainId, keep));
    if (failure !== undefined) {
      failures.push(failure);
      const failedReason = messageOf(failure.error);
      await writeStageRow(tx, chainId, { name: stage.name, asOf: to, unwindPending: true, failedReason });
    } else if (to === undefined) await deleteStageRow(tx, chainId, stage.name);
    else await writeStageRow(tx, chainId, { ...row, asOf: to, unwindPending: false });
  }
  const names = stages.map(({ name }) => name);
  await markUnknownStages(tx, chainId, to, names);
  return failures;
}

/**
 * Runs a stage's work in a savepoint of the transaction and rolls back only that work if it fails.
 *
 * @returns the failure, or undefined if the work succeeded
 * @throws errors that the stage did not cause: a conflict with another transaction, a lock timeout, or a lost connection
 */
export async function runInSavepoint(
  tx: Transaction,
  { name }: Stage,
  work: () => Promise<unknown>,
): Promise<StageFailure | undefined> {
  await sql`savepoint stage`.execute(tx);
  try {
    await work();
    await sql`release savepoint stage`.execute(tx);
    return undefined;
  } catch (error) {
    const isLockTimeout = sqlstateOf(error) === SQLSTATE.lockNotAvailable;
    if (isTransactionConflict(error) || isLockTimeout || makesConnectionUnusable(error)) throw error;
    await sql`rollback to savepoint stage`.execute(tx);
    return { name, error };
  }
}
