import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import type { ContractKey } from './contract-coverage.ts';
import { restartSweeps } from './sweep-rows.ts';

/** The stored progress of one stage of a chain. A stage derives state, such as snapshots, from facts in the order of the blocks. */
export type StageRow = {
  readonly name: string;
  /** The block up to which the stage's state is computed. Undefined before the first block. */
  readonly asOf: BlockRef | undefined;
  /** Whether the stage may still have state of blocks above `asOf`, because an unwind failed or is left to another program version. */
  readonly unwindPending: boolean;
  /** Why the stage stopped. Null while it runs. */
  readonly failedReason: string | null;
};

const REASON_LENGTH_MAX = 500;

/** Reads the rows of a chain's stages, by name. */
export async function readStageRows(db: Kysely<DB>, chainId: number): Promise<ReadonlyMap<string, StageRow>> {
  const rows = await db
    .selectFrom('indexer.stages')
    .select(['name', 'as_of_number', 'as_of_hash', 'unwind_pending', 'failed_reason'])
    .where('chain_id', '=', String(chainId))
    .orderBy('name')
    .execute();
  return new Map(
    rows.map((row) => {
      const asOf =
        row.as_of_number === null ? undefined : { number: Number(row.as_of_number), hash: row.as_of_hash as Hex };
      return [row.name, { name: row.name, asOf, unwindPending: row.unwind_pending, failedReason: row.failed_reason }];
    }),
  );
}

/** Writes a stage's row. */
export async function writeStageRow(tx: Transaction, chainId: number, row: StageRow): Promise<void> {
  const reason = row.failedReason?.slice(0, REASON_LENGTH_MAX) ?? null;
  await tx
    .insertInto('indexer.stages')
    .values({
      chain_id: chainId,
      name: row.name,
      as_of_number: row.asOf?.number ?? null,
      as_of_hash: row.asOf?.hash ?? null,
      unwind_pending: row.unwindPending,
      failed_reason: reason,
      failed_at: reason === null ? null : sql`now()`,
    })
    .onConflict((conflict) =>
      conflict.columns(['chain_id', 'name']).doUpdateSet(({ ref }) => ({
        as_of_number: ref('excluded.as_of_number'),
        as_of_hash: ref('excluded.as_of_hash'),
        unwind_pending: ref('excluded.unwind_pending'),
        failed_reason: ref('excluded.failed_reason'),
        failed_at: ref('excluded.failed_at'),
        updated_at: sql`now()`,
      })),
    )
    .execute();
}

/** Deletes a stage's row. The stage then starts over. */
export async function deleteStageRow(tx: Transaction, chainId: number, name: string): Promise<void> {
  await tx.deleteFrom('indexer.stages').where('chain_id', '=', String(chainId)).where('name', '=', name).execute();
}

/**
 * Sets the recorded progress of stages that this program does not know back to a block. Another version of the program, which knows these
 * stages, must unwind their state before it advances them again.
 */
export async function markUnknownStages(
  tx: Transaction,
  chainId: number,
  to: BlockRef | undefined,
  known: readonly string[],
): Promise<void> {
  await tx
    .updateTable('indexer.stages')
    .set({
      as_of_number: to?.number ?? null,
      as_of_hash: to?.hash ?? null,
      unwind_pending: true,
      updated_at: sql`now()`,
    })
    .where('chain_id', '=', String(chainId))
    .where('as_of_number', '>', String(to?.number ?? -1))
    .where('name', '<>', sql<string>`all(${known}::text[])`)
    .execute();
}

/**
 * Records that facts changed at or above `fromBlock`, which is below the head. Stages that have reached `fromBlock` are later unwound to
 * the block before it.
 *
 * Each change has a row of its own, so that concurrent commits do not wait for each other.
 *
 * @param repaired the contract whose facts a repair changed in covered blocks. Sweeps that look for contradictions in it start over.
 */
export async function recordHistoryChange(
  tx: Transaction,
  chainId: number,
  fromBlock: number,
  repaired?: ContractKey,
): Promise<void> {
  await tx.insertInto('indexer.history_changes').values({ chain_id: chainId, from_block: fromBlock }).execute();
  if (repaired === undefined) return;
  await restartSweeps(tx, chainId, { fromBlock, contract: repaired, forgetsProperties: false });
}

/**
 * Records that all facts of a contract changed or were deleted. Stages that have reached the contract's first block are later unwound to
 * the block before it. All sweeps that look for contradictions in the contract start over.
 */
export async function recordContractChange(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
): Promise<void> {
  await tx
    .insertInto('indexer.history_changes')
    .columns(['chain_id', 'from_block'])
    .expression(({ selectFrom }) =>
      selectFrom('indexer.contracts')
        .select(({ fn }) => ['chain_id', fn.coalesce('deployed_at_block', sql<string>`0`).as('from_block')])
        .where('chain_id', '=', String(chainId))
        .where('address', '=', address)
        .where('kind', '=', kind),
    )
    .execute();
  await restartSweeps(tx, chainId, { fromBlock: -1, contract: { address, kind }, forgetsProperties: true });
}

/** Returns the lowest block at which a recorded change of a chain's history begins. Undefined if no change is recorded. */
export async function lowestHistoryChange(tx: Transaction, chainId: number): Promise<number | undefined> {
  const { lowest } = await tx
    .selectFrom('indexer.history_changes')
    .select(({ fn }) => fn.min('from_block').as('lowest'))
    .where('chain_id', '=', String(chainId))
    .executeTakeFirstOrThrow();
  return lowest === null ? undefined : Number(lowest);
}

/** Deletes the recorded changes of history that begin above a block. All stages must be unwound to this block or lower before the call. */
export async function deleteHistoryChanges(tx: Transaction, chainId: number, above: number): Promise<void> {
  await tx
    .deleteFrom('indexer.history_changes')
    .where('chain_id', '=', String(chainId))
    .where('from_block', '>', String(above))
    .execute();
}

/** The state of one stage of a chain, as `indexer status` shows it. */
export type StageStatus = {
  readonly name: string;
  /** The block up to which the stage's state is computed. Null before the first block. */
  readonly asOf: number | null;
  /** Why the stage stopped. Null while the stage runs. */
  readonly failedReason: string | null;
};

/** Reads the state of every stage, by chain. */
export async function stageStatus(db: Kysely<DB>): Promise<ReadonlyMap<number, readonly StageStatus[]>> {
  const rows = await db
    .selectFrom('indexer.stages')
    .select(['chain_id', 'name', 'as_of_number', 'failed_reason'])
    .orderBy('chain_id')
    .orderBy('name')
    .execute();
  const byChain = new Map<number, StageStatus[]>();
  for (const { chain_id, name, as_of_number, failed_reason: failedReason } of rows) {
    const status = { name, asOf: as_of_number === null ? null : Number(as_of_number), failedReason };
    byChain.set(Number(chain_id), [...(byChain.get(Number(chain_id)) ?? []), status]);
  }
  return byChain;
}

/** Describes a stopped stage in one sentence. Returns undefined while the stage runs. */
export function describeStoppedStage({ name, asOf, failedReason }: StageStatus): string | undefined {
  return failedReason === null ? undefined : `stage ${name} stopped at ${asOf ?? 'its beginning'}: ${failedReason}`;
}
