import { type RawBuilder, sql } from 'kysely';
import { type FactRange, type Fold, within } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { sumIpoSupply } from './ipo-supply.ts';
import { nftTransfers } from './nft-transfers.ts';
import { masterContracts, masterIpos } from './state-tables.ts';

/**
 * How many tokens a master has in being (mints less burns), and how many different ones it ever minted, which is also
 * `master_ipos.minted_supply` summed over the master's contracts.
 *
 * Runs after `nft-tokens` on the way in and before it on the way back, so that a token whose mints all lie in the range is one
 * whose `mint_count` equals them: just these are new, or go.
 */
export const masterSupply: Fold = {
  name: 'master-supply',
  reads: { table: nftTransfers, tags: ['mint', 'burn'] },
  writes: [masterContracts, masterIpos],
  apply: (range) => [{ statement: add(range, 1) }, ...sumIpoSupply(mastersOf(range))],
  unwind: (range) => [{ statement: add(range, -1) }, ...sumIpoSupply(mastersOf(range))],
};

function add(range: FactRange, sign: 1 | -1): RawBuilder<unknown> {
  return sql`
    with fact as (
      select contract_address, master_nft_id, to_wallet = ${ZERO_ADDRESS} as burns, transfer_type
      from nft_transfers where ${within(nftTransfers, range, 'master')} and transfer_type in ('mint', 'burn')
    ),
    fresh as (
      select minted.contract_address, count(*) as tokens
      from (
        select contract_address, master_nft_id, count(*) as mints
        from fact where transfer_type = 'mint' group by contract_address, master_nft_id
      ) minted
      join master_nfts token on token.id = minted.master_nft_id and token.mint_count = minted.mints
      group by minted.contract_address
    ),
    change as (
      select contract_address, sum(case when burns then -1 else 1 end) as supply, coalesce(max(fresh.tokens), 0) as minted
      from fact left join fresh using (contract_address) group by contract_address
    ),
    held as (
      select id, change.supply, change.minted from master_contracts join change using (contract_address)
      where chain_id = ${String(range.chainId)} order by contract_address for no key update of master_contracts
    )
    update master_contracts contract set
      contract_total_supply = coalesce(contract_total_supply, 0) + ${sign} * held.supply,
      minted_supply = minted_supply + ${sign} * held.minted,
      last_indexed_block = greatest(last_indexed_block, ${range.to}), last_indexed_at = now()
    from held where contract.id = held.id
  `;
}

/** The masters of which the range's facts mint or burn tokens. */
function mastersOf(range: FactRange): RawBuilder<unknown> {
  return sql`
    select master_id from master_contracts where chain_id = ${String(range.chainId)} and contract_address in (
      select contract_address from nft_transfers where ${within(nftTransfers, range, 'master')} and transfer_type in ('mint', 'burn'))
  `;
}
