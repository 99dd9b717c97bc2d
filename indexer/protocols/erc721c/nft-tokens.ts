import { type RawBuilder, sql } from 'kysely';
import {
  type FactRange,
  type Fold,
  isAtPosition,
  isInRange,
  NO_POSITION,
  positionOf,
  refuseIfBatched,
} from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { nftTransfers } from './nft-transfers.ts';
import { masterNfts } from './state-tables.ts';

/**
 * Derives the owner of each token of a master, and the wallet, time and price of its mint.
 *
 * The owner is the receiver of the latest transfer. The row of a burnt token stays and shows the zero address. The minter is the receiver
 * of the earliest mint. `mint_count` is a sum. These three rules commute, so ranges may be applied in any order.
 */
export const nftTokens: Fold = {
  name: 'nft-tokens',
  reads: { table: nftTransfers },
  writes: [masterNfts],
  apply: (range) => [
    {
      statement: merge(range),
      followUp: (rows) => (rows.length === 0 ? [] : [{ statement: referToPlatformIds(range) }]),
    },
  ],
  unwind: (range) => [{ statement: restore(range) }, { statement: deleteTokensWithoutFacts(range) }],
};

/**
 * Returns a statement that inserts or updates the rows of the tokens with facts in the range. The statement returns a row if the platform
 * chose the id of at least one of these rows.
 */
function merge(range: FactRange): RawBuilder<unknown> {
  return sql`
      with latest as (
        select distinct on (contract_address, token_id)
          contract_address, token_id, master_nft_id, master_id, to_wallet, position,
          count(*) filter (where transfer_type = 'mint') over token as mints,
          min(position) filter (where transfer_type = 'mint') over token as mint_position
        from nft_transfers where ${isInRange(nftTransfers, range, 'master')}
        window token as (partition by contract_address, token_id)
        order by contract_address, token_id, position desc
      ),
      merged as (
        insert into master_nfts as held (
          id, master_id, master_contract_id, token_id, chain_id, contract_address, current_owner_wallet, last_position,
          original_minter_wallet, mint_tx_hash, minted_at_block, minted_at, mint_price_wei, first_mint_position, mint_count,
          last_indexed_block, last_indexed_at)
        select
          latest.master_nft_id, latest.master_id, contract.platform_id, latest.token_id, ${String(range.chainId)},
          latest.contract_address,
          latest.to_wallet, latest.position,
          coalesce(mint.to_wallet, ${ZERO_ADDRESS}), mint.tx_hash, mint.block_number, mint.block_timestamp, mint.sale_price_wei,
          latest.mint_position, latest.mints, ${range.to}, now()
        from latest
        left join lateral (
          select to_wallet, tx_hash, block_number, block_timestamp, sale_price_wei from nft_transfers
          where ${isAtPosition(nftTransfers, range, 'master', sql`latest.mint_position`)} and token_id = latest.token_id limit 1
        ) mint on true
        join indexer.contracts contract
          on contract.chain_id = ${range.chainId} and contract.address = latest.contract_address and contract.kind = 'master'
        order by latest.contract_address, latest.token_id -- the order in which every commit locks rows
        on conflict (chain_id, contract_address, token_id) do update set
          current_owner_wallet = case when held.last_position is null or excluded.last_position > held.last_position
            then excluded.current_owner_wallet else held.current_owner_wallet end,
          last_position = greatest(held.last_position, excluded.last_position),
          original_minter_wallet = case when ${earlierMint} then excluded.original_minter_wallet else held.original_minter_wallet end,
          mint_tx_hash = case when ${earlierMint} then excluded.mint_tx_hash else held.mint_tx_hash end,
          minted_at_block = case when ${earlierMint} then excluded.minted_at_block else held.minted_at_block end,
          minted_at = case when ${earlierMint} then excluded.minted_at else held.minted_at end,
          mint_price_wei = case when ${earlierMint} then excluded.mint_price_wei else held.mint_price_wei end,
          first_mint_position = least(held.first_mint_position, excluded.first_mint_position),
          mint_count = held.mint_count + excluded.mint_count,
          last_indexed_block = greatest(held.last_indexed_block, excluded.last_indexed_block),
          last_indexed_at = excluded.last_indexed_at
        returning id, contract_address, token_id
      )
      select ${refuseIfBatched(range)} from merged
      where id <> indexer.derived_id('master_nfts:' || ${String(range.chainId)} || ':' || contract_address || ':' || token_id)
      limit 1
  `;
}

/** Returns a statement that restores the rows of all tokens with facts in the range to their values before the range. */
function restore(range: FactRange): RawBuilder<unknown> {
  return sql`
      with touched as (
        select master_nft_id, count(*) filter (where transfer_type = 'mint') as mints
        from nft_transfers where ${isInRange(nftTransfers, range, 'master')} group by master_nft_id
      )
      update master_nfts held set
        current_owner_wallet = coalesce(previous.to_wallet, ${ZERO_ADDRESS}),
        last_position = previous.position,
        original_minter_wallet = case when ${isMintUnwound(range)} then ${ZERO_ADDRESS} else original_minter_wallet end,
        mint_tx_hash = case when ${isMintUnwound(range)} then null else mint_tx_hash end,
        minted_at_block = case when ${isMintUnwound(range)} then null else minted_at_block end,
        minted_at = case when ${isMintUnwound(range)} then null else minted_at end,
        mint_price_wei = case when ${isMintUnwound(range)} then null else mint_price_wei end,
        first_mint_position = case when ${isMintUnwound(range)} then null else first_mint_position end,
        mint_count = mint_count - touched.mints,
        last_indexed_block = least(last_indexed_block, ${range.from - 1})
      from touched left join lateral (
        select to_wallet, position from nft_transfers
        where master_nft_id = touched.master_nft_id and position < ${positionOf(range.from)} and block_hash is not null
        order by position desc limit 1
      ) previous on true
      where held.id = touched.master_nft_id
  `;
}

/** The condition that the mint in the row to insert (`excluded`) is earlier than the mint in the existing row of the token (`held`). */
const earlierMint = sql`excluded.first_mint_position < coalesce(held.first_mint_position, ${NO_POSITION})`;

/** Returns the condition that the token's first mint is in the range to unwind. */
const isMintUnwound = (range: FactRange) => sql`first_mint_position >= ${positionOf(range.from)}`;

/**
 * Returns a statement that sets `master_nft_id` of facts to the id of the token's row. This id differs from the derived id if the platform
 * inserted the row first.
 */
function referToPlatformIds(range: FactRange): RawBuilder<unknown> {
  return sql`
    update nft_transfers fact set master_nft_id = held.id
    from master_nfts held
    where fact.chain_id = ${String(range.chainId)} and fact.block_number between ${range.from}::numeric and ${range.to}::numeric
      and held.chain_id = fact.chain_id and held.contract_address = fact.contract_address and held.token_id = fact.token_id
      and held.id <> fact.master_nft_id
  `;
}

/**
 * Returns a statement that deletes the rows of tokens that have facts in the range and none before it. A row stays if the platform
 * inserted it or wrote one of the platform's own columns. Such a row shows the zero address as owner until the token is minted again.
 * `token_uri` does not keep a row, because the program reads it from the chain, and reads it again after the next mint. No claim refers to
 * a deleted row, because stages (claim links, for example) are unwound first.
 */
function deleteTokensWithoutFacts(range: FactRange): RawBuilder<unknown> {
  return sql`
    with without_facts as materialized (
      select id, id = indexer.derived_id('master_nfts:' || chain_id || ':' || contract_address || ':' || token_id)
        and listing_status = 'not_listed' and listing_price_wei is null and listing_currency is null and listed_at is null
        as is_derived
      from master_nfts
      where id in (select master_nft_id from nft_transfers where ${isInRange(nftTransfers, range, 'master')})
        and last_position is null
    )
    delete from master_nfts where id in (select id from without_facts where is_derived)
  `;
}
