import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import { folds } from '../derive/folds.ts';
import { factTables } from '../facts/fact-tables.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import { HeadMoved, UsageError } from '../kernel/errors.ts';
import { type ChainState, readChain } from '../progress/chains.ts';
import { unwindCoverage } from '../progress/coverage.ts';
import { lockChain } from '../progress/locks.ts';

export type Unwind = {
  readonly chainId: number;
  readonly to: BlockRef;
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
  return transaction(database, async (tx) => {
    await lockChain(tx, chainId, 'exclusive');
    const now = await readChain(tx, chainId);
    if (seen !== undefined && (now.head?.hash !== seen.head?.hash || now.epoch !== seen.epoch)) {
      throw new HeadMoved('another process moved the head first', { context: { chainId } });
    }
    const { head } = now;
    if (head === undefined || head.number <= to.number) {
      await sql`update indexer.chains set status = 'following', status_reason = null where chain_id = ${chainId}`.execute(
        tx,
      );
      return 0;
    }
    await sql`set constraints all deferred`.execute(tx);
    const range = { chainId, from: to.number + 1, to: head.number };
    for (const fold of folds.toReversed()) await fold.unwind(tx, range);
    const removed = await deleteFacts(tx, chainId, range.from);
    await unwindCoverage(tx, chainId, to.number);
    await sql`delete from indexer.block_checkpoints where chain_id = ${chainId} and number > ${to.number}`.execute(tx);
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
      delete from ${sql.table(`${schema}.${name}`)} where chain_id = ${chain} and block_number >= ${from}
    `.execute(tx);
    removed += Number(numAffectedRows ?? 0);
  }
  return removed;
}

type UnwindRecord = {
  readonly chainId: number;
  readonly head: BlockRef;
  readonly to: BlockRef;
  readonly reason: string;
  readonly removed: number;
};

async function recordUnwind(tx: Transaction, { chainId, head, to, reason, removed }: UnwindRecord): Promise<void> {
  await sql`
    with unwound as (
      update indexer.chains set
        head_number = ${to.number}, head_hash = ${to.hash}, epoch = epoch + 1, status = 'following', status_reason = null,
        updated_at = now()
      where chain_id = ${chainId} returning epoch
    )
    insert into indexer.reorgs (chain_id, epoch, from_number, from_hash, to_number, to_hash, depth, reason, facts_removed)
    select ${chainId}, epoch, ${head.number}, ${head.hash}, ${to.number}, ${to.hash}, ${head.number - to.number}, ${reason}, ${removed}
    from unwound
  `.execute(tx);
}

/**
 * The hash of a block as the database itself knows it: from a checkpoint, from its child's, or from a fact of that block.
 *
 * @throws {UsageError} where the database does not know it.
 */
export async function knownHash(database: Database, chainId: number, number: number): Promise<Hex> {
  const facts = factTables.map(
    ({ schema, name, chainIdType }) => sql`
      select block_hash as hash from ${sql.table(`${schema}.${name}`)}
      where chain_id = ${chainIdType === 'text' ? sql`${String(chainId)}` : sql`${chainId}::bigint`} and block_number = ${number}
        and block_hash is not null`,
  );
  const { rows } = await sql<{ hash: Hex }>`
    select hash from indexer.block_checkpoints where chain_id = ${chainId} and number = ${number}
    union all
    select parent_hash from indexer.block_checkpoints where chain_id = ${chainId} and number = ${number + 1}
    union all
    ${sql.join(facts, sql` union all `)}
    limit 1
  `.execute(database.kysely);
  const hash = rows[0]?.hash;
  if (hash === undefined) throw new UsageError(`the database does not know block ${number} of chain ${chainId}`);
  return hash;
}
