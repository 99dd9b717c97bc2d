import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../db/step.ts';
import type { Transaction } from '../db/transaction.ts';

/**
 * Takes the chain's advisory lock until the transaction ends: commits share it, an unwind or a removal holds it alone, so
 * that no commit is half way while facts are taken back.
 */
export function lockChain(chainId: number, mode: 'shared' | 'exclusive'): Step {
  const lock = mode === 'shared' ? sql`pg_advisory_xact_lock_shared` : sql`pg_advisory_xact_lock`;
  return { statement: sql`select ${lock}(${keyOf(`chain:${chainId}`)})` };
}

/** As `lockChain` shared; and whoever stands on the block with `afterCommit` waits until the transaction ends. */
export function lockChainAndBlock(chainId: number, block: number): Step {
  return {
    statement: sql`
      select pg_advisory_xact_lock_shared(${keyOf(`chain:${chainId}`)}), pg_advisory_xact_lock(${blockKey(chainId, block)})
    `,
  };
}

/** An expression that waits for the commit, if any is on its way, whose last block this is. */
export function afterCommit(chainId: number, block: number): RawBuilder<unknown> {
  return sql`pg_advisory_xact_lock_shared(${blockKey(chainId, block)})`;
}

/** Takes the right to advance a chain's stages until the transaction ends. Returns false where another transaction has it. */
export async function tryLockStages(tx: Transaction, chainId: number): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(${keyOf(`stages:${chainId}`)}) as locked
  `.execute(tx);
  return rows[0]?.locked === true;
}

function blockKey(chainId: number, block: number): RawBuilder<unknown> {
  return keyOf(`block:${chainId}:${block}`);
}

function keyOf(what: string): RawBuilder<unknown> {
  return sql`hashtextextended(${`indexer:${what}`}, 0)`;
}
