import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { transaction } from '../db/transaction.ts';
import { sumIpoSupply } from '../protocols/erc721c/ipo-supply.ts';

/**
 * Computes `master_ipos.minted_supply` of IPOs that the platform inserted after tokens of their master had been minted. Later commits
 * keep the sum up to date. It is safe to run this at any time and concurrently with anything.
 */
export async function settleIpoSupplies(database: Database): Promise<void> {
  const { rows } = await sql<{ master_id: string }>`
    select master_id from master_ipos ipo
    where minted_supply is distinct from
      coalesce((select sum(minted_supply) from master_contracts where master_id = ipo.master_id), 0)
  `.execute(database.kysely);
  if (rows.length === 0) return;
  const masters = rows.map(({ master_id }) => master_id);
  await transaction(database, (tx) => runSteps(tx, sumIpoSupply(sql`select unnest(${masters}::uuid[])`)));
}
