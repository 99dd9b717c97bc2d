import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import { clearCoverage } from '../progress/contract-state.ts';
import { deletions, type PurgedContract } from './contract-rows.ts';
import { resetUnprepared } from './prepare.ts';

type Statement = RawBuilder<unknown>;

/**
 * Deletes a contract's facts and state and resets what is derived on its platform row, which itself stays: afterwards the
 * database is what it would be had no log of the contract been seen. The chain must be locked.
 *
 * @returns how many rows were deleted.
 */
export async function purgeContract(tx: Transaction, contract: PurgedContract): Promise<number> {
  let deleted = 0n;
  for (const statement of deletions(contract)) deleted += (await statement.execute(tx)).numAffectedRows ?? 0n;
  await clearCoverage(tx, contract.chainId, contract);
  await resetUnprepared(tx, contract.chainId);
  for (const statement of bookkeeping(contract)) await statement.execute(tx);
  return Number(deleted);
}

/** What a reset of state leaves alone: bookkeeping, and the sum over a master's contracts. */
function bookkeeping({ kind, platformId }: PurgedContract): readonly Statement[] {
  const table = {
    master: 'master_contracts',
    dividend: 'dividend_contracts',
    artist_token: 'artist_tokens',
    pool: 'liquidity_pools',
  }[kind];
  const fresh = sql`
    update ${sql.table(table)} set last_indexed_block = null, last_indexed_at = null, updated_at = now() where id = ${platformId}`;
  const ipos = sql`
    update master_ipos ipo set minted_supply = minted.supply
    from (
      select master_id, sum(minted_supply) as supply from master_contracts
      where master_id = (select master_id from master_contracts where id = ${platformId}) group by master_id
    ) minted
    where ipo.master_id = minted.master_id`;
  return kind === 'master' ? [fresh, ipos] : [fresh];
}
