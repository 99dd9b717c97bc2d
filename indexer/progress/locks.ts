import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../db/step.ts';
import type { Transaction } from '../db/transaction.ts';

/**
 * Returns a step that takes the chain's advisory lock until the transaction ends. Commits take it in shared mode. Unwinds, repairs and
 * removals of contracts take it in exclusive mode, so that no commit is running while they remove facts.
 */
export function lockChain(chainId: number, mode: 'shared' | 'exclusive'): Step {
  const lock = mode === 'shared' ? sql`pg_advisory_xact_lock_shared` : sql`pg_advisory_xact_lock`;
  return { statement: sql`select ${lock}(${lockKey(`chain:${chainId}`)})` };
}

/** Returns a condition on a row of `pg_locks`: whether it is the advisory lock with this key. PostgreSQL shows the key in two halves. */
export function isAdvisoryLock(key: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`
    locktype = 'advisory' and objsubid = 1
    and database = (select oid from pg_database where datname = current_database())
    and (classid::bigint << 32) + objid::bigint = ${key}
  `;
}

/** Returns whether another transaction, such as an unwind, waits for the chain's lock. */
export async function isChainAwaited(tx: Transaction, chainId: number): Promise<boolean> {
  const { rows } = await sql<{ awaited: boolean }>`
    select exists (
      select from pg_locks where not granted and ${isAdvisoryLock(lockKey(`chain:${chainId}`))}
    ) as awaited
  `.execute(tx);
  return rows[0]?.awaited === true;
}

/**
 * Returns a step that takes the chain's lock in shared mode and the lock of a block in exclusive mode. Transactions that call
 * `waitForCommit` for the block wait until this transaction ends.
 */
export function lockChainAndBlock(chainId: number, block: number): Step {
  return {
    statement: sql`
      select pg_advisory_xact_lock_shared(${lockKey(`chain:${chainId}`)}), pg_advisory_xact_lock(${blockKey(chainId, block)})
    `,
  };
}

/** Returns an SQL expression that waits for a running commit whose last block is `block`, if there is one. */
export function waitForCommit(chainId: number, block: number): RawBuilder<unknown> {
  return sql`pg_advisory_xact_lock_shared(${blockKey(chainId, block)})`;
}

/** Returns a step that locks a chain's stages until the transaction ends. It waits while another transaction advances them. */
export function lockStages(chainId: number): Step {
  return { statement: sql`select pg_advisory_xact_lock(${lockKey(`stages:${chainId}`)})` };
}

/** Tries to lock a chain's stages until the transaction ends. Returns false if another transaction holds the lock. */
export async function tryLockStages(tx: Transaction, chainId: number): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(${lockKey(`stages:${chainId}`)}) as locked
  `.execute(tx);
  return rows[0]?.locked === true;
}

/** Tries to lock a chain's sweeps for contradictions until the transaction ends. Returns false if another transaction holds the lock. */
export async function tryLockSweeps(tx: Transaction, chainId: number): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(${lockKey(`sweeps:${chainId}`)}) as locked
  `.execute(tx);
  return rows[0]?.locked === true;
}

function blockKey(chainId: number, block: number): RawBuilder<unknown> {
  return lockKey(`block:${chainId}:${block}`);
}

function lockKey(name: string): RawBuilder<unknown> {
  return sql`hashtextextended(${`indexer:${name}`}, 0)`;
}
