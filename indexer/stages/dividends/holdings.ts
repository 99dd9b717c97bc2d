import { sql } from 'kysely';
import type { Transaction } from '../../db/transaction.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { type BlockSpan, endOf, isInSpan, isServed, ownerBefore } from '../served-masters.ts';

/**
 * Recounts the tokens of each wallet, as of a block, for each master whose links to dividend contracts changed since the stage last
 * advanced. Deletes the counts of a master that no dividend contract serves any more. Afterwards `indexer.master_holdings` has only rows of
 * masters that some dividend contract serves.
 */
export async function settleHoldings(tx: Transaction, chainId: number, block: number): Promise<void> {
  const { rows } = await sql<{ contract_address: string }>`
    delete from indexer.holdings_due where chain_id = ${chainId} returning contract_address
  `.execute(tx);
  for (const contract of new Set(rows.map((row) => row.contract_address)))
    await countHoldings(tx, chainId, block, contract);
}

/**
 * Recounts how many tokens of a master each wallet owns, from facts at or below a block. If no dividend contract serves the master, only
 * deletes the old counts.
 */
async function countHoldings(tx: Transaction, chainId: number, block: number, contract: string): Promise<void> {
  await sql`
    delete from indexer.master_holdings where chain_id = ${chainId} and contract_address = ${contract}
  `.execute(tx);
  // This statement uses the indexes master_nfts_chain_contract_token_idx and nft_transfers_master_nft_id_idx.
  await sql`
    insert into indexer.master_holdings (chain_id, contract_address, wallet_address, tokens, changed_block)
    select ${chainId}, contract_address, to_wallet, count(*) filter (where left_at is null), max(coalesce(left_at, received_at))
    from (
      select token.contract_address, fact.to_wallet, fact.block_number as received_at,
        lead(fact.block_number) over (partition by fact.master_nft_id order by fact.position) as left_at
      from master_nfts token join nft_transfers fact on fact.master_nft_id = token.id
      where token.chain_id = ${String(chainId)} and token.contract_address = ${contract}
        and fact.position < ${endOf(block)} and fact.block_hash is not null and ${isServed('token')}
    ) stay
    where to_wallet <> ${ZERO_ADDRESS}
    group by contract_address, to_wallet
  `.execute(tx);
}

/**
 * Applies the transfers in a span to `indexer.master_holdings`: how many tokens each wallet owns of each master that a dividend contract
 * serves. The former owner of a token is the receiver of its previous transfer, whatever sender the log names. Returns the number of rows
 * written.
 */
export async function addHoldings(tx: Transaction, span: BlockSpan): Promise<number> {
  const { numAffectedRows } = await sql`
    with moved as (
      select contract_address, master_nft_id, position, to_wallet as owner from nft_transfers fact
      where ${isInSpan('fact', span)} and ${isServed('fact')}
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

/** Recounts the tokens of each wallet whose number of tokens changed above a block, from facts at or below the block. */
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
