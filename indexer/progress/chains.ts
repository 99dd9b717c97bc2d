import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Step } from '../db/step.ts';
import type { Transaction } from '../db/transaction.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import { HeadMoved } from '../kernel/errors.ts';
import { afterCommit } from './locks.ts';

/** What the database says of a chain. */
export type ChainState = {
  readonly chainId: number;
  /** The newest committed block; `undefined` before the first. */
  readonly head: BlockRef | undefined;
  /** The newest block known to be final; never decreases. */
  readonly finalized: number | undefined;
  /** Raised by every unwind. */
  readonly epoch: number;
  /** Raised whenever the set of contracts that the follower covers changes. */
  readonly liveVersion: number;
  readonly halted: string | undefined;
};

/** Reads the chain's row, making it where the chain is new. */
export async function readChain(db: Kysely<DB>, chainId: number): Promise<ChainState> {
  const found = await selectChain(db, chainId);
  if (found !== undefined) return found;
  await sql`insert into indexer.chains (chain_id) values (${chainId}) on conflict do nothing`.execute(db);
  return { chainId, head: undefined, finalized: undefined, epoch: 0, liveVersion: 0, halted: undefined };
}

async function selectChain(db: Kysely<DB>, chainId: number): Promise<ChainState | undefined> {
  const { rows } = await chainRow(chainId).execute(db);
  return rows[0] && stateOf(chainId, rows[0]);
}

type ChainRow = {
  readonly head_number: string | null;
  readonly head_hash: Hex | null;
  readonly finalized_number: string | null;
  readonly epoch: string;
  readonly live_version: string;
  readonly status: string;
  readonly status_reason: string | null;
};

function chainRow(chainId: number): RawBuilder<ChainRow> {
  return sql<ChainRow>`
    select head_number, head_hash, finalized_number, epoch, live_version, status, status_reason
    from indexer.chains where chain_id = ${chainId}
  `;
}

function stateOf(chainId: number, row: ChainRow): ChainState {
  return {
    chainId,
    head:
      row.head_number === null || row.head_hash === null
        ? undefined
        : { number: Number(row.head_number), hash: row.head_hash },
    finalized: row.finalized_number === null ? undefined : Number(row.finalized_number),
    epoch: Number(row.epoch),
    liveVersion: Number(row.live_version),
    halted: row.status === 'halted' ? (row.status_reason ?? 'halted') : undefined,
  };
}

/**
 * Waits for the commit of the head that was seen, and for any other that is moving it, and holds the head. Throws `HeadMoved`
 * unless the chain is then as it was seen.
 */
export function standOn(seen: ChainState): Step {
  return {
    // Locked first, whatever it is, and compared then: with what the commit that was waited for left.
    statement: sql`
      with waited as materialized (select ${afterCommit(seen.chainId, seen.head?.number ?? -1)}),
      held as materialized (
        select chains.* from waited, indexer.chains where chain_id = ${seen.chainId} for no key update of chains)
      select indexer.refuse() from held where not (${isAsSeen(seen)})
    `,
    refusal: () => headMoved(seen.chainId),
  };
}

function isAsSeen({ head, epoch, liveVersion }: ChainState): RawBuilder<boolean> {
  return sql`head_number is not distinct from ${head?.number ?? null}::bigint
    and head_hash is not distinct from ${head?.hash ?? null}::text
    and epoch = ${epoch} and live_version = ${liveVersion}`;
}

function headMoved(chainId: number): HeadMoved {
  return new HeadMoved('another process moved the head first', { context: { chainId } });
}

/** The move of the head that a follower's commit claims: it fails unless everything is as the follower saw it when it fetched. */
export type HeadMove = {
  readonly chainId: number;
  readonly expected: ChainState;
  readonly to: BlockRef;
  readonly finalized: number | undefined;
  /** Whether this commit adds contracts to those that the follower covers. */
  readonly addsContracts: boolean;
};

/**
 * Compares and sets the chain's head, so that a second follower that believes it leads changes nothing. The step throws
 * `HeadMoved` when another process moved the head, unwound, or changed the set of followed contracts first.
 */
export function moveHead({ chainId, expected, to, finalized, addsContracts }: HeadMove): Step {
  const statement = sql`
    with moved as (
      update indexer.chains set
        head_number = ${to.number}, head_hash = ${to.hash},
        finalized_number = greatest(finalized_number, ${finalized ?? null}::bigint),
        live_version = live_version + ${addsContracts ? 1 : 0},
        updated_at = now()
      where chain_id = ${chainId} and ${isAsSeen(expected)} and status = 'following'
      returning 1
    )
    select indexer.refuse() where not exists (select from moved)
  `;
  return { statement, refusal: () => headMoved(chainId) };
}

/**
 * Makes every follower read the registry again before it commits: called by who takes a contract from those that are live.
 * Waits for a commit that is moving the head.
 *
 * @returns the head, which no commit moves until the transaction ends.
 */
export async function raiseLiveVersion(tx: Transaction, chainId: number): Promise<number | undefined> {
  const { rows } = await sql<{ head_number: string | null }>`
    update indexer.chains set live_version = live_version + 1, updated_at = now() where chain_id = ${chainId}
    returning head_number
  `.execute(tx);
  const head = rows[0]?.head_number ?? null;
  return head === null ? undefined : Number(head);
}

/** Stops following the chain until an operator unwinds it. */
export async function haltChain(db: Kysely<DB>, chainId: number, reason: string): Promise<void> {
  await sql`
    update indexer.chains set status = 'halted', status_reason = ${reason}, updated_at = now() where chain_id = ${chainId}
  `.execute(db);
}
