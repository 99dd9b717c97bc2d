import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { RegisteredRow } from '../facts/fact-table.ts';
import { clearCoverage } from '../progress/contract-state.ts';
import { recordContractChange } from '../progress/stage-rows.ts';
import { deletions, platformTableOf } from './contract-rows.ts';
import { resetUnprepared } from './prepare.ts';

/**
 * Deletes a contract's facts and state, and resets the derived columns of the platform's row. The row itself stays. Afterwards the
 * database is as if no log of the contract had been seen. The caller must hold the chain's exclusive lock.
 *
 * @returns how many rows were deleted.
 */
export async function purgeContract(tx: Transaction, contract: RegisteredRow): Promise<number> {
  let deleted = 0n;
  for (const statement of deletions(contract)) deleted += (await statement.execute(tx)).numAffectedRows ?? 0n;
  await clearCoverage(tx, contract.chainId, contract);
  await resetUnprepared(tx, contract.chainId);
  await recordContractChange(tx, contract.chainId, contract);
  await sql`
    update ${sql.table(platformTableOf(contract.kind))} set last_indexed_block = null, last_indexed_at = null, updated_at = now()
    where id = ${contract.platformId}
  `.execute(tx);
  return Number(deleted);
}
