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
    with moved as (
      select contract_address, master_nft_id, position, to_wallet as owner from nft_transfers fact where ${isInSpan('fact', span)}
    ),
    -- Between the beginning and the end of the span only the last transfer of a token counts.
    token as (
      select distinct on (master_nft_id) contract_address, master_nft_id, owner from moved order by master_nft_id, position desc
    ),
    change (contract_address, wallet_address, tokens) as (
      select contract_address, owner, 1 from token
      union all
      select contract_address, before.owner, -1 from token
      cross join lateral (${ownerBefore(sql`token.master_nft_id`, endOf(span.from))}) before
      union all
      -- A wallet that owned a token only in between has a row too, because an unwind into the span must find it.
      select contract_address, owner, 0 from moved
    )
    insert into indexer.master_holdings as held (chain_id, contract_address, wallet_address, tokens, changed_block)
    select ${span.chainId}, contract_address, wallet_address, sum(tokens), ${span.to}
    from change where wallet_address <> ${ZERO_ADDRESS}
    group by contract_address, wallet_address
    on conflict (chain_id, contract_address, wallet_address) do update set
      tokens = held.tokens + excluded.tokens, changed_block = excluded.changed_block
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/** Counts the tokens of each wallet again, from facts at or below a block, where they changed above it. */
export async function unwindHoldings(tx: Transaction, chainId: number, to: number): Promise<void> {
  await sql`
    merge into indexer.master_holdings held
    using (
      select changed.contract_address, changed.wallet_address, owned.tokens, owned.received
      from indexer.master_holdings changed
      cross join lateral (
        select count(*) as received, count(*) filter (where last.owner = changed.wallet_address) as tokens
        from (
          select distinct master_nft_id from nft_transfers fact
          where fact.to_wallet = changed.wallet_address and fact.chain_id = ${String(chainId)}
            and fact.contract_address = changed.contract_address and fact.position < ${endOf(to)} and fact.block_hash is not null
        ) token
        cross join lateral (${ownerBefore(sql`token.master_nft_id`, endOf(to))}) last
      ) owned
      where changed.chain_id = ${chainId} and changed.changed_block > ${to}
    ) former
    on held.chain_id = ${chainId} and held.contract_address = former.contract_address
      and held.wallet_address = former.wallet_address
    when matched and former.received > 0 then update set tokens = former.tokens, changed_block = ${to}
    when matched then delete
  `.execute(tx);
}
