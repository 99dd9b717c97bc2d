import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../../db/transaction.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { type BlockSpan, endOf, isInSpan } from '../served-masters.ts';

/**
 * Sets `master_nfts.total_dividends_received` (the claims paid for a token, in the native coin) and `last_dividend_claimed_at` of the
 * tokens for which a span has claims. Returns the number of rows written.
 */
export async function sumTokenPayments(tx: Transaction, span: BlockSpan): Promise<number> {
  const claimed = sql`
    select distinct claim.master_nft_id as id from dividend_claims claim
    where ${isInSpan('claim', span)} and claim.master_nft_id is not null`;
  return setPayments(tx, claimed, span.to);
}

/** Restores the columns that `sumTokenPayments` sets to their values as of a block, for tokens that may have claims above the block. */
export async function unwindTokenPayments(tx: Transaction, chainId: number, to: number): Promise<void> {
  const changed = sql`select id from master_nfts where chain_id = ${String(chainId)} and dividends_block > ${to}`;
  await setPayments(tx, changed, to);
}

async function setPayments(tx: Transaction, tokens: RawBuilder<unknown>, block: number): Promise<number> {
  const { numAffectedRows } = await sql`
    with token as materialized (
      -- in the order in which every commit locks rows
      select id from master_nfts where id in (${tokens}) order by contract_address, token_id for no key update
    ),
    paid as (
      select token.id, coalesce(sum(amount_claimed) filter (where currency = ${ZERO_ADDRESS}), 0) as total,
        max(block_timestamp) as claimed_at
      from token left join dividend_claims claim
        on claim.master_nft_id = token.id and claim.position < ${endOf(block)} and claim.block_hash is not null
      group by token.id
    )
    update master_nfts held set
      total_dividends_received = paid.total, last_dividend_claimed_at = paid.claimed_at,
      dividends_block = case when paid.claimed_at is not null then ${block}::bigint end
    from paid where held.id = paid.id
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}
