import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';

/**
 * State that a commit cannot keep by itself because the row it belongs to may appear later: the platform inserts an IPO after its
 * tokens were minted, or a claim is read before its token. Safe to run at any time and beside anything.
 *
 * @returns how many rows changed.
 */
export async function settleStages(db: Kysely<DB>): Promise<number> {
  const supplies = await sql`
    with locked as (
      select id, master_id from master_ipos ipo
      where minted_supply is distinct from
        coalesce((select sum(minted_supply) from master_contracts where master_id = ipo.master_id), 0)
      order by id for no key update
    )
    update master_ipos ipo set
      minted_supply = coalesce((select sum(minted_supply) from master_contracts where master_id = locked.master_id), 0)
    from locked where ipo.id = locked.id
  `.execute(db);
  const links = await sql`
    update dividend_claims claim set master_nft_id = token.id
    from dividend_contracts contract
    join master_contracts master on master.chain_id = contract.chain_id and (
      master.contract_address = contract.linked_master_contract
      or (contract.linked_master_contract is null and master.master_id = contract.master_id))
    join master_nfts token on token.master_contract_id = master.id
    where claim.master_nft_id is null and claim.dividend_contract_id = contract.id and claim.token_id = token.token_id
      and token.last_position is not null
  `.execute(db);
  return Number(supplies.numAffectedRows ?? 0) + Number(links.numAffectedRows ?? 0);
}
