import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../../db/step.ts';
import { type FactRange, type Fold, isInRange, NO_POSITION, positionOf, refuseIfBatched } from '../../facts/fold.ts';
import { nftTransfers } from './nft-transfers.ts';
import { masterContracts, masterNfts } from './state-tables.ts';

/**
 * Derives the wallets that received a master's first three mints, in the order of positions and, within one log, of token ids. Also sets
 * the flags of the tokens that these mints created (`is_first_minter` and so on).
 *
 * The first three mints are read again from the facts, but only if the range has a mint that could be one of them. The contract's row is
 * locked first. So when two commits with early mints run at the same time, the later one sees the facts of the earlier one.
 */
export const mintOrder: Fold = {
  name: 'mint-order',
  reads: { table: nftTransfers, tags: ['mint'] },
  writes: [masterContracts, masterNfts],
  apply: (range) => [lockAndRank(range, NO_POSITION)],
  unwind: (range) => [lockAndRank(range, positionOf(range.from))],
};

/**
 * Returns a step that locks the rows of the master contracts whose first three mints the range can change. If there are such contracts, a
 * follow-up step finds the first three mints of each of them again, among the mints before the position `below`.
 */
function lockAndRank(range: FactRange, below: RawBuilder<unknown>): Step {
  const lock = sql`
    with minted as (
      select contract_address, min(position) as position
      from nft_transfers where ${isInRange(nftTransfers, range, 'master')} and transfer_type = 'mint' group by contract_address
    )
    select held.id, ${refuseIfBatched(range)} from master_contracts held join minted using (contract_address)
    where held.chain_id = ${String(range.chainId)} and minted.position <= coalesce(held.third_mint_position, ${NO_POSITION})
    order by held.contract_address
    for no key update of held
  `;
  return {
    statement: lock,
    followUp: (rows) =>
      rows.length === 0
        ? []
        : [
            {
              statement: rankMints(
                range,
                below,
                rows.map(({ id }) => String(id)),
              ),
            },
          ],
  };
}

function rankMints(range: FactRange, below: RawBuilder<unknown>, ids: readonly string[]): RawBuilder<unknown> {
  return sql`
    with first as (
      select contract.id, mint.*
      from master_contracts contract, lateral (
        select to_wallet, master_nft_id, position, row_number() over (order by position, token_id) as place
        from nft_transfers
        where chain_id = ${String(range.chainId)} and contract_address = contract.contract_address
          and transfer_type = 'mint' and position < ${below} and block_hash is not null
        order by position, token_id limit 3
      ) mint
      where contract.id = any(${ids}::uuid[])
    ),
    flagged as (
      update master_nfts token set
        is_first_minter = place.first, is_second_minter = place.second, is_third_minter = place.third
      from (
        select token.id,
          coalesce(bool_or(place = 1), false) as first, coalesce(bool_or(place = 2), false) as second,
          coalesce(bool_or(place = 3), false) as third
        from master_nfts token left join first on first.master_nft_id = token.id
        where token.master_contract_id = any(${ids}::uuid[])
          and (first.place is not null or token.is_first_minter or token.is_second_minter or token.is_third_minter)
        group by token.id
      ) place
      where token.id = place.id
    )
    update master_contracts contract set
      first_minter_wallet = (select to_wallet from first where first.id = contract.id and place = 1),
      second_minter_wallet = (select to_wallet from first where first.id = contract.id and place = 2),
      third_minter_wallet = (select to_wallet from first where first.id = contract.id and place = 3),
      third_mint_position = (select position from first where first.id = contract.id and place = 3)
    where contract.id = any(${ids}::uuid[])
  `;
}
