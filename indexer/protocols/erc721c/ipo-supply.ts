import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../../db/step.ts';

/**
 * Returns the steps that set `master_ipos.minted_supply` for some values of `master_id`. It is the sum of `minted_supply` of all master
 * contracts with the same `master_id`, on all chains.
 *
 * The IPO's row is locked before the sum is read. So when commits of two chains run at the same time, the later one sees the result of
 * the earlier one. If the platform inserts an IPO after tokens were minted, `settleIpoSupplies` (`indexer/registry/ipo-supplies.ts`)
 * computes its sum.
 *
 * @param masters a query for the values of `master_id`
 */
export function sumIpoSupply(masters: RawBuilder<unknown>): readonly Step[] {
  const lock = sql`select from master_ipos where master_id in (${masters}) order by id for no key update`;
  const sum = sql`
    update master_ipos ipo set minted_supply = minted.supply
    from (
      select named.master_id, coalesce(sum(contract.minted_supply), 0) as supply
      from master_ipos named left join master_contracts contract using (master_id)
      where named.master_id in (${masters}) group by named.master_id, named.id
    ) minted
    where ipo.master_id = minted.master_id and ipo.minted_supply is distinct from minted.supply
  `;
  return [{ statement: lock }, { statement: sum }];
}
