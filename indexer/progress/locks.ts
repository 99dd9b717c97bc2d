import { sql } from 'kysely';
import type { Step } from '../db/step.ts';

/**
 * Takes the chain's advisory lock until the transaction ends: commits share it, an unwind or a removal holds it alone, so
 * that no commit is half way while facts are taken back.
 */
export function lockChain(chainId: number, mode: 'shared' | 'exclusive'): Step {
  const key = sql`hashtextextended(${`indexer:chain:${chainId}`}, 0)`;
  const lock = mode === 'shared' ? sql`pg_advisory_xact_lock_shared` : sql`pg_advisory_xact_lock`;
  return { statement: sql`select ${lock}(${key})` };
}
