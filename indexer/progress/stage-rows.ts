import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Step } from '../db/step.ts';
import type { Transaction } from '../db/transaction.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import type { ContractKey } from './contract-coverage.ts';

/** What the database remembers of one stage of a chain. */
export type StageRow = {
  readonly name: string;
  /** The block that the stage's state is as of; undefined before the first. */
  readonly asOf: BlockRef | undefined;
  /** Whether state of blocks above `asOf` may be left, because the stage could not be unwound. */
  readonly unwindPending: boolean;
  /** Why the stage stopped; null while it runs. */
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
  await sql`
    insert into indexer.stages as held
      (chain_id, name, as_of_number, as_of_hash, unwind_pending, failed_reason, failed_at)
    values (${chainId}, ${row.name}, ${row.asOf?.number ?? null}, ${row.asOf?.hash ?? null}, ${row.unwindPending},
      ${reason}, case when ${reason}::text is not null then now() end)
    on conflict (chain_id, name) do update set
      as_of_number = excluded.as_of_number, as_of_hash = excluded.as_of_hash, unwind_pending = excluded.unwind_pending,
      failed_reason = excluded.failed_reason, failed_at = excluded.failed_at, updated_at = now()
  `.execute(tx);
}

/** Forgets a stage, which then has derived nothing. */
export async function deleteStageRow(tx: Transaction, chainId: number, name: string): Promise<void> {
  await tx.deleteFrom('indexer.stages').where('chain_id', '=', String(chainId)).where('name', '=', name).execute();
}

/**
 * Takes the rows of stages that this program does not know back to a block. Another version of the program wrote them, and has to
 * unwind their state before it advances them.
 */
export async function markUnknownStages(
  tx: Transaction,
  chainId: number,
  to: BlockRef | undefined,
  known: readonly string[],
): Promise<void> {
  await sql`
    update indexer.stages set
      as_of_number = ${to?.number ?? null}, as_of_hash = ${to?.hash ?? null}, unwind_pending = true, updated_at = now()
    where chain_id = ${chainId} and as_of_number > ${to?.number ?? -1} and name <> all(${known}::text[])
  `.execute(tx);
}

/**
 * Notes that facts at or below the head changed (a fill wrote them, or a purge deleted them), so that stages which are beyond that
 * block are taken back to before it.
 *
 * A row of its own for each change: commits that run at the same time do not wait for each other here.
 */
export function noteHistoryChange(chainId: number, fromBlock: number): Step {
  return {
    statement: sql`insert into indexer.history_changes (chain_id, from_block) values (${chainId}, ${fromBlock})`,
  };
}

/** Notes that all of a contract's facts changed, as `noteHistoryChange` does for a range. */
export async function noteContractChange(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
): Promise<void> {
  await sql`
    insert into indexer.history_changes (chain_id, from_block)
    select chain_id, coalesce(deployed_at_block, 0) from indexer.contracts
    where chain_id = ${chainId} and address = ${address} and kind = ${kind}
  `.execute(tx);
}

/** Returns the lowest block that a note of a chain names; undefined where there is none. */
export async function lowestHistoryChange(tx: Transaction, chainId: number): Promise<number | undefined> {
  const { rows } = await sql<{ lowest: string | null }>`
    select min(from_block) as lowest from indexer.history_changes where chain_id = ${chainId}
  `.execute(tx);
  const lowest = rows[0]?.lowest ?? null;
  return lowest === null ? undefined : Number(lowest);
}

/** Deletes the notes of changes above a block that no stage is beyond. */
export async function deleteHistoryChanges(tx: Transaction, chainId: number, above: number): Promise<void> {
  await sql`delete from indexer.history_changes where chain_id = ${chainId} and from_block > ${above}`.execute(tx);
}

/** What an operator wants to know of one stage of a chain. */
export type StageStatus = {
  readonly name: string;
  /** The block that its state is as of; null before the first. */
  readonly asOf: number | null;
  /** Why it stopped; null while it runs. */
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

/** Describes a stage that stopped, in one sentence; undefined while it runs. */
export function stoppedStage({ name, asOf, failedReason }: StageStatus): string | undefined {
  return failedReason === null ? undefined : `stage ${name} stopped at ${asOf ?? 'its beginning'}: ${failedReason}`;
}
