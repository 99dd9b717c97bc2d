import { sql } from 'kysely';
import type { Transaction } from '../../db/transaction.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { type BlockSpan, endOf, isInSpan, ownerBefore } from '../served-masters.ts';

/**
 * Counts the tokens of each master that each wallet owns (`indexer.master_holdings`) on by a span. The former owner of a token is the
 * receiver of its transfer before, whatever a log says. Returns the number of rows written.
 */
export async function addHoldings(tx: Transaction, span: BlockSpan): Promise<number> {
  const { numAffectedRows } = await sql`
    -- Between the span's beginning and end only the last transfer of a token counts.
    with token as (
      select distinct on (master_nft_id) contract_address, master_nft_id, to_wallet as owner
      from nft_transfers fact where ${isInSpan('fact', span)} order by master_nft_id, position desc
    ),
    change as (
      select contract_address, owner as wallet_address, 1 as tokens from token
      union all
      select contract_address, before.owner, -1 from token
      cross join lateral (${ownerBefore(sql`token.master_nft_id`, endOf(span.from))}) before
    )
    insert into indexer.master_holdings as held (chain_id, contract_address, wallet_address, tokens, changed_block)
    select ${span.chainId}, contract_address, wallet_address, sum(tokens), ${span.to}
    from change where wallet_address <> ${ZERO_ADDRESS}
    group by contract_address, wallet_address having sum(tokens) <> 0
    on conflict (chain_id, contract_address, wallet_address) do update set
      tokens = held.tokens + excluded.tokens, changed_block = excluded.changed_block
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/** Counts the tokens of each wallet again, from facts at or below a block, where they changed above it. */
export async function unwindHoldings(tx: Transaction, chainId: number, to: number): Promise<void> {
  await sql`
    update indexer.master_holdings held set tokens = coalesce(owned.tokens, 0), changed_block = ${to}
    from indexer.master_holdings changed
    cross join lateral (
      select count(*) filter (where last.owner = changed.wallet_address) as tokens
      from (
        select distinct master_nft_id from nft_transfers fact
        where fact.to_wallet = changed.wallet_address and fact.chain_id = ${String(chainId)}
          and fact.contract_address = changed.contract_address and fact.position < ${endOf(to)} and fact.block_hash is not null
      ) received
      cross join lateral (${ownerBefore(sql`received.master_nft_id`, endOf(to))}) last
    ) owned
    where changed.chain_id = ${chainId} and changed.changed_block > ${to}
      and held.chain_id = changed.chain_id and held.contract_address = changed.contract_address
      and held.wallet_address = changed.wallet_address
  `.execute(tx);
  await sql`
    delete from indexer.master_holdings where chain_id = ${chainId} and changed_block = ${to} and tokens = 0
  `.execute(tx);
}
