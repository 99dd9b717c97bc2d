import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { patientTransaction, type Transaction } from '../db/transaction.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import { HeadMoved } from '../kernel/errors.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { unwindCoverage } from '../progress/contract-state.ts';
import { lockChain } from '../progress/locks.ts';
import { factTables } from '../protocols/fact-tables.ts';
import { folds } from '../protocols/folds.ts';

export type Unwind = {
  readonly chainId: number;
  /** The newest block to keep; undefined takes everything back, and the chain is begun anew. */
  readonly to: BlockRef | undefined;
  /** Why: the chain reorganised, or an operator said so. */
  readonly reason: 'reorg' | 'command';
  /** The chain as the decision saw it; left out, the unwind goes ahead whatever the head is. */
  readonly seen?: ChainState;
};

/**
 * Takes back everything above a block, in one transaction: afterwards the database is what it would be had no block above it
 * been seen (invariant 5). Clears a halt.
 *
 * @returns how many facts were taken away.
 * @throws {HeadMoved} when the head is not what `seen` says.
 */
export async function unwindTo(database: Database, { chainId, to, reason, seen }: Unwind): Promise<number> {
  return patientTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    const now = await readChain(tx, chainId);
    if (seen !== undefined && (now.head?.hash !== seen.head?.hash || now.epoch !== seen.epoch)) {
      throw new HeadMoved('another process moved the head first', { context: { chainId } });
    }
    const { head } = now;
    const keep = to?.number ?? -1;
    if (head === undefined || head.number <= keep) {
      await sql`update indexer.chains set status = 'following', status_reason = null where chain_id = ${chainId}`.execute(
        tx,
      );
      return 0;
    }
    await sql`set constraints all deferred`.execute(tx);
    const range = { chainId, from: keep + 1, to: head.number };
    await runSteps(
      tx,
      folds.toReversed().flatMap((fold) => fold.unwind(range)),
    );
    const removed = await deleteFacts(tx, chainId, range.from);
    await unwindCoverage(tx, chainId, to?.number);
    await sql`delete from indexer.block_checkpoints where chain_id = ${chainId} and number > ${keep}`.execute(tx);
    await recordUnwind(tx, { chainId, head, to, reason, removed });
    return removed;
  });
}

/** Deletes every fact of a chain at or above a block, dead letters of logs included. */
async function deleteFacts(tx: Transaction, chainId: number, from: number): Promise<number> {
  let removed = 0;
  for (const { schema, name, chainIdType } of factTables) {
    const chain = chainIdType === 'text' ? sql`${String(chainId)}` : sql`${chainId}::bigint`;
    const { numAffectedRows } = await sql`
      delete from ${sql.table(`${schema}.${name}`)} where chain_id = ${chain} and block_number >= ${from} and block_hash is not null
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
        live_version = live_version + 1, -- contracts that were set aside may join again
        status = 'following', status_reason = null, updated_at = now()
      where chain_id = ${chainId} returning epoch
    )
    insert into indexer.reorgs (chain_id, epoch, from_number, from_hash, to_number, to_hash, depth, reason, facts_removed)
    select ${chainId}, epoch, ${head.number}, ${head.hash}, ${to?.number ?? -1}, ${to?.hash ?? null},
      ${head.number - (to?.number ?? -1)}, ${reason}, ${removed}
    from unwound
  `.execute(tx);
}

/**
 * The newest block at or below a height whose hash the database itself knows, from a checkpoint, from its child's, or from a fact
 * of that block; undefined where it knows none. The chain is not asked: it may be on another branch there.
 */
export async function newestKnownBlock(
  database: Database,
  chainId: number,
  number: number,
): Promise<BlockRef | undefined> {
  const facts = factTables.map(
    ({ schema, name, chainIdType }) => sql`
      (select block_number::bigint as number, block_hash as hash from ${sql.table(`${schema}.${name}`)}
      where chain_id = ${chainIdType === 'text' ? sql`${String(chainId)}` : sql`${chainId}::bigint`} and block_number <= ${number}
        and block_hash is not null
      order by block_number desc limit 1)`,
  );
  const { rows } = await sql<{ number: string; hash: Hex }>`
    select number, hash from (
      (select number, hash from indexer.block_checkpoints where chain_id = ${chainId} and number <= ${number}
        order by number desc limit 1)
      union all
      (select number - 1, parent_hash from indexer.block_checkpoints where chain_id = ${chainId} and number = ${number + 1})
      union all
      ${sql.join(facts, sql` union all `)}
    ) known
    order by number desc limit 1
  `.execute(database.kysely);
  return rows[0] && { number: Number(rows[0].number), hash: rows[0].hash };
}
