import { type RawBuilder, sql } from 'kysely';
import { endOf } from '../served-masters.ts';
import { balanceChanges } from './balance-changes.ts';

/** The block as of which balances are computed, and a query that selects the balances. */
export type AsOf = {
  readonly chainId: number;
  readonly block: number;
  /** A query for `(dividend_contract_id, wallet_address, currency)` that selects the balances. Undefined: all balances of the chain. */
  readonly keys?: RawBuilder<unknown>;
};

/**
 * Returns common table expressions that end with `balance`: the rows of `wallet_dividend_balances` of a chain as of a block, from all facts
 * at or below the block. The columns of `balance` are named as in the table. `claimed_at` is the position of the latest claim.
 *
 * Needs the sums of the stage `dividends` (`indexer.distribution_sums`) and the links of the stage `claim-links` to be correct up to
 * the block.
 */
export function dividendBalancesAsOf({ chainId, block, keys }: AsOf): RawBuilder<unknown> {
  const end = endOf(block);
  const isFact = (alias: string) => sql`
    ${sql.ref(`${alias}.chain_id`)} = ${String(chainId)} and ${sql.ref(`${alias}.position`)} < ${end}
    and ${sql.ref(`${alias}.block_hash`)} is not null`;
  const claim = sql`
    select claim.dividend_contract_id, claim.wallet_address, claim.currency, claim.master_nft_id, claim.amount_claimed, claim.position
    from dividend_claims claim`;
  const scope =
    keys === undefined
      ? {
          moved: sql`
            select distinct serves.dividend_contract_id, fact.master_nft_id as token
            from nft_transfers fact join serves using (contract_address) where ${isFact('fact')}`,
          claims: sql`${claim} where ${isFact('claim')}`,
        }
      : {
          // These queries use the indexes nft_transfers_to_wallet_idx, dividend_claims_contract_wallet_idx and
          // dividend_claims_master_nft_id_idx.
          moved: sql`
            select distinct key.dividend_contract_id, fact.master_nft_id as token
            from (select distinct dividend_contract_id, wallet_address from key) key join serves using (dividend_contract_id)
            join nft_transfers fact on fact.to_wallet = key.wallet_address and fact.contract_address = serves.contract_address
            where ${isFact('fact')}`,
          claims: sql`
            ${claim} join key using (dividend_contract_id, wallet_address, currency) where ${isFact('claim')}
            union
            ${claim} join moved on claim.dividend_contract_id = moved.dividend_contract_id and claim.master_nft_id = moved.token
            where ${isFact('claim')}`,
        };
  return sql`
    ${keys === undefined ? sql`` : sql`key as materialized (${keys}),`}
    ${balanceChanges({ span: { chainId, from: -1, to: block }, ...scope })},
    held as (
      select dividend_contract_id, owner as wallet_address, count(*) as tokens from (
        select distinct on (dividend_contract_id, token) dividend_contract_id, owner from life
        order by dividend_contract_id, token, position desc
      ) last group by dividend_contract_id, owner
    ),
    balance as (
      select dividend_contract_id, wallet_address, currency, earned as total_earned, claimed as total_claimed,
        earned - claimed as claimable_amount, coalesce(held.tokens, 0) as tokens_held, claimed_at
      from change left join held using (dividend_contract_id, wallet_address)
      ${keys === undefined ? sql`` : sql`join key using (dividend_contract_id, wallet_address, currency)`}
      where is_row
    )
  `;
}
