import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Step } from '../db/step.ts';
import type { Transaction } from '../db/transaction.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import { HeadMoved } from '../kernel/errors.ts';
import { type BlockRange, toMultirange } from '../kernel/ranges.ts';
import { waitForCommit } from './locks.ts';

/** The state of a chain in the database. */
export type ChainState = {
  readonly chainId: number;
  /** The newest committed block. Undefined before the first commit. */
  readonly head: BlockRef | undefined;
  /** The newest block known to be final. Commits never lower it. An unwind of all blocks makes it undefined. */
  readonly finalized: number | undefined;
  /** A counter that every unwind increments. */
  readonly epoch: number;
  /** A counter that increments whenever the set of contracts that the follower covers changes. */
  readonly liveVersion: number;
  /** Why the chain is halted. Undefined if it is not halted. */
  readonly halted: string | undefined;
};

/** Reads the state of a chain. Inserts its row if the chain is new. */
export async function readChain(db: Kysely<DB>, chainId: number): Promise<ChainState> {
  const found = await findChain(db, chainId);
  if (found !== undefined) return found;
  await db
    .insertInto('indexer.chains')
    .values({ chain_id: chainId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return { chainId, head: undefined, finalized: undefined, epoch: 0, liveVersion: 0, halted: undefined };
}

/** Reads the state of a chain. Returns undefined if the chain has no row in `indexer.chains` yet. */
export async function findChain(db: Kysely<DB>, chainId: number): Promise<ChainState | undefined> {
  const row = await db
    .selectFrom('indexer.chains')
    .select(['head_number', 'head_hash', 'finalized_number', 'epoch', 'live_version', 'status', 'status_reason'])
    .where('chain_id', '=', String(chainId))
    .executeTakeFirst();
  return (
    row && {
      chainId,
      head:
        row.head_number === null || row.head_hash === null
          ? undefined
          : { number: Number(row.head_number), hash: row.head_hash as Hex },
      finalized: row.finalized_number === null ? undefined : Number(row.finalized_number),
      epoch: Number(row.epoch),
      liveVersion: Number(row.live_version),
      halted: row.status === 'halted' ? (row.status_reason ?? 'halted') : undefined,
    }
  );
}

/**
 * Returns a step that waits for the commit of the head in `seen` and for any other commit that is moving the head. It then locks the
 * chain's row and throws `HeadMoved` unless the chain's state still equals `seen`.
 */
export function lockAndCheckHead(seen: ChainState): Step {
  return {
    // The row is locked before it is compared, so that the comparison sees the result of the commit that was waited for.
    statement: sql`
      with waited as materialized (select ${waitForCommit(seen.chainId, seen.head?.number ?? -1)}),
      held as materialized (
        select chains.* from waited, indexer.chains where chain_id = ${seen.chainId} for no key update of chains)
      select indexer.refuse() from held where not (${isUnchangedSince(seen)})
    `,
    refusal: () => headMoved(seen.chainId),
  };
}

function isUnchangedSince({ head, epoch, liveVersion }: ChainState): RawBuilder<boolean> {
  return sql`head_number is not distinct from ${head?.number ?? null}::bigint
    and head_hash is not distinct from ${head?.hash ?? null}::text
    and epoch = ${epoch} and live_version = ${liveVersion}`;
}

function headMoved(chainId: number): HeadMoved {
  return new HeadMoved('another process moved the head first', { context: { chainId } });
}

/**
 * Gaps between verified blocks stay open until their blocks are final and proved. Above this number of ranges, a commit adds no further
 * range, because every commit writes them again, and every contract's proof is computed from them. Its blocks are then proved later with
 * those of the gaps. Blocks that extend the last range are added all the same.
 */
const VERIFIED_RANGES_MAX = 100;

/** A move of the head by a follower's commit. */
export type HeadMove = {
  readonly chainId: number;
  /** The chain's state when the follower fetched the blocks of this commit. The move fails if the state has changed. */
  readonly expected: ChainState;
  readonly to: BlockRef;
  readonly finalized: number | undefined;
  /** The blocks that this commit adds, if they count as proved. Otherwise undefined. */
  readonly verified?: BlockRange | undefined;
  /** Whether this commit adds contracts to those that the follower covers. */
  readonly addsContracts: boolean;
};

/**
 * Returns a step that sets the chain's head if the chain's state still equals `expected`. So a second follower that wrongly believes that
 * its process leads the chain changes nothing. The step throws `HeadMoved` if another process moved the head, unwound or halted the chain,
 * or changed the set of followed contracts first.
 */
export function moveHead({ chainId, expected, to, finalized, verified, addsContracts }: HeadMove): Step {
  const statement = sql`
    with moved as (
      update indexer.chains set
        head_number = ${to.number}, head_hash = ${to.hash},
        finalized_number = greatest(finalized_number, ${finalized ?? null}::bigint),
        verified = ${verified === undefined ? sql`verified` : verifiedWith(verified)},
        live_version = live_version + ${addsContracts ? 1 : 0},
        updated_at = now()
      where chain_id = ${chainId} and ${isUnchangedSince(expected)} and status = 'following'
      returning 1
    )
    select indexer.refuse() where not exists (select from moved)
  `;
  return { statement, refusal: () => headMoved(chainId) };
}

/** Returns an SQL expression for the new value of `verified`: with a range, unless it would be one range too many. */
function verifiedWith(range: BlockRange): RawBuilder<string> {
  return sql`case when upper(verified) < ${range.from} and (select count(*) from unnest(verified)) >= ${VERIFIED_RANGES_MAX} then verified
    else verified + ${toMultirange([range])}::int8multirange end`;
}

/**
 * Increments the chain's live version, so that every follower reads the registry again before its next commit. Must be called whenever a
 * contract leaves the set that the follower covers. Waits for a commit that is moving the head.
 *
 * @returns the head, which no commit moves until the transaction ends
 */
export async function raiseLiveVersion(tx: Transaction, chainId: number): Promise<number | undefined> {
  const row = await tx
    .updateTable('indexer.chains')
    .set(({ eb }) => ({ live_version: eb('live_version', '+', '1'), updated_at: sql`now()` }))
    .where('chain_id', '=', String(chainId))
    .returning('head_number')
    .executeTakeFirst();
  const head = row?.head_number ?? null;
  return head === null ? undefined : Number(head);
}

/** Stops following the chain until an operator unwinds it. */
export async function haltChain(db: Kysely<DB>, chainId: number, reason: string): Promise<void> {
  await db
    .updateTable('indexer.chains')
    .set({ status: 'halted', status_reason: reason, updated_at: sql`now()` })
    .where('chain_id', '=', String(chainId))
    .execute();
}

/** Returns the lowest block to which the chain was unwound after `epoch`: -1 if no block was kept, undefined if it was not unwound. */
export async function lowestUnwindSince(db: Kysely<DB>, chainId: number, epoch: number): Promise<number | undefined> {
  const { lowest } = await db
    .selectFrom('indexer.reorgs')
    .select(({ fn }) => fn.min('to_number').as('lowest'))
    .where('chain_id', '=', String(chainId))
    .where('epoch', '>', String(epoch))
    .executeTakeFirstOrThrow();
  return lowest === null ? undefined : Number(lowest);
}
