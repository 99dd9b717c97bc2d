import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';

/**
 * Takes the chain's advisory lock until the transaction ends: commits share it, an unwind or a removal holds it alone, so
 * that no commit is half way while facts are taken back.
 */
export async function lockChain(tx: Transaction, chainId: number, mode: 'shared' | 'exclusive'): Promise<void> {
  const key = sql`hashtextextended(${`indexer:chain:${chainId}`}, 0)`;
  await (mode === 'shared'
    ? sql`select pg_advisory_xact_lock_shared(${key})`
    : sql`select pg_advisory_xact_lock(${key})`
  ).execute(tx);
}
