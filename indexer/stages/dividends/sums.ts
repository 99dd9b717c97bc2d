import { sql } from 'kysely';
import type { Transaction } from '../../db/transaction.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { type BlockSpan, endOf, isInSpan, ownerBefore, servedMasters } from '../served-masters.ts';

/** Adds the distributions of a span to the running totals in `indexer.distribution_sums`. Returns the number of rows written. */
export async function addSums(tx: Transaction, span: BlockSpan): Promise<number> {
  const { numAffectedRows } = await sql`
    insert into indexer.distribution_sums (chain_id, dividend_contract_id, currency, position, total)
    select ${span.chainId}, event.dividend_contract_id, event.currency, event.position,
      coalesce(before.total, 0)
        + sum(event.per_token_amount) over (partition by event.dividend_contract_id, event.currency order by event.position)
    from dividend_events event
    left join lateral (
      select total from indexer.distribution_sums earlier
      where earlier.dividend_contract_id = event.dividend_contract_id and earlier.currency = event.currency
        and earlier.position < ${endOf(span.from)}
      order by earlier.position desc limit 1
    ) before on true
    where ${isInSpan('event', span)} and event.event_type = 'distribution'
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/**
 * Counts, for each distribution in a span, the existing tokens to which it gives an amount (`indexer.distribution_sums.tokens`). Needs
 * `indexer.master_holdings` as of the block before the span. The view `indexer.dividend_anomalies` reports distributions with the count 0.
 */
export async function countTokens(tx: Transaction, span: BlockSpan): Promise<void> {
  const start = endOf(span.from);
  await sql`
    with serves as materialized (${servedMasters(span.chainId)}),
    distribution as materialized (
      select dividend_contract_id, position from indexer.distribution_sums
      where chain_id = ${span.chainId} and position >= ${start} and position < ${endOf(span.to)}
    ),
    paying as materialized (
      select dividend_contract_id, contract_address from serves
      where dividend_contract_id in (select dividend_contract_id from distribution)
    ),
    held as (
      select dividend_contract_id, sum(tokens) as tokens
      from paying join indexer.master_holdings using (contract_address) where chain_id = ${span.chainId} group by dividend_contract_id
    ),
    step as (
      select dividend_contract_id, position, (owner <> ${ZERO_ADDRESS})::int - (former <> ${ZERO_ADDRESS})::int as tokens
      from (
        select paying.dividend_contract_id, fact.position, fact.to_wallet as owner,
          coalesce(lag(fact.to_wallet) over (partition by paying.dividend_contract_id, fact.master_nft_id order by fact.position),
            before.owner, ${ZERO_ADDRESS}) as former
        from nft_transfers fact join paying using (contract_address)
        left join lateral (${ownerBefore(sql`fact.master_nft_id`, start)}) before on true
        where ${isInSpan('fact', span)}
      ) moved
    ),
    counted as (
      select dividend_contract_id, position, is_distribution, coalesce(held.tokens, 0) + change as tokens
      from (
        select dividend_contract_id, position, is_distribution,
          sum(tokens) over (partition by dividend_contract_id order by position) as change
        from (
          select dividend_contract_id, position, tokens, false as is_distribution from step
          union all
          select dividend_contract_id, position, 0, true from distribution
        ) entry
      ) moved left join held using (dividend_contract_id)
    )
    update indexer.distribution_sums sum set tokens = counted.tokens
    from counted where is_distribution and sum.dividend_contract_id = counted.dividend_contract_id and sum.position = counted.position
  `.execute(tx);
}

/** Deletes the running totals of distributions above a block from `indexer.distribution_sums`. */
export async function unwindSums(tx: Transaction, chainId: number, to: number): Promise<void> {
  await sql`
    delete from indexer.distribution_sums where chain_id = ${chainId} and position >= ${endOf(to)}
  `.execute(tx);
}
