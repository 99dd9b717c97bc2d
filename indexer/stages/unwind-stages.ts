import { sql } from 'kysely';
import { isTransactionConflict, SQLSTATE, sqlstateOf } from '../db/sqlstate.ts';
import type { Transaction } from '../db/transaction.ts';
import type { BlockRef } from '../kernel/chain.ts';
import { messageOf } from '../kernel/errors.ts';
import { deleteStageRow, markUnknownStages, readStageRows, writeStageRow } from '../progress/stage-rows.ts';
import type { Stage } from './stage.ts';

/** A stage that could not do its work, and why. */
export type StageFailure = { readonly name: string; readonly error: unknown };

/**
 * Takes every stage that is beyond a block back to it (undefined: to nothing), the last stage first, together with its row.
 *
 * A stage that fails stops itself: its row notes the reason, and that it has to be unwound before it advances again. The
 * transaction goes on without it.
 *
 * @returns the stages that failed.
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
    const failure = await isolated(tx, stage, () => stage.unwind(tx, chainId, keep));
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
 * Runs a stage's work within the transaction and takes back just that work where it fails.
 *
 * @returns the failure; undefined where the work was done.
 * @throws what says nothing of the stage: a conflict with another transaction, a lost connection.
 */
export async function isolated(
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
    if (isTransactionConflict(error) || sqlstateOf(error) === SQLSTATE.lockNotAvailable) throw error;
    await sql`rollback to savepoint stage`.execute(tx);
    return { name, error };
  }
}
