import { type RawBuilder, sql } from 'kysely';
import { type FactRange, type Fold, isInRange } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { sumIpoSupply } from './ipo-supply.ts';
import { nftTransfers } from './nft-transfers.ts';
import { masterContracts, masterIpos } from './state-tables.ts';

/**
 * Derives the number of existing tokens of a master contract (mints minus burns), and the number of distinct tokens that it ever minted.
 * `master_ipos.minted_supply` is the sum of the second number over all master contracts with the same `master_id`.
 *
 * `apply` runs after `apply` of the fold `nft-tokens`, and `unwind` runs before `unwind` of that fold. So `master_nfts.mint_count` includes
 * the mints of the range in both cases. A token is minted for the first time in the range exactly if its `mint_count` equals its number of
 * mints in the range.
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
      from nft_transfers where ${isInRange(nftTransfers, range, 'master')} and transfer_type in ('mint', 'burn')
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
      current_supply = current_supply + ${sign} * held.supply,
      minted_supply = minted_supply + ${sign} * held.minted
    from held where contract.id = held.id
  `;
}

/** Returns a query for the `master_id` of each master contract whose tokens are minted or burnt in the range. */
function mastersOf(range: FactRange): RawBuilder<unknown> {
  return sql`
    select master_id from master_contracts where chain_id = ${String(range.chainId)} and contract_address in (
      select contract_address from nft_transfers
      where ${isInRange(nftTransfers, range, 'master')} and transfer_type in ('mint', 'burn'))
  `;
}
