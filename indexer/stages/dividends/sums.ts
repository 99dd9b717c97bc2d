import { sql } from 'kysely';
import type { Transaction } from '../../db/transaction.ts';
import { type BlockSpan, endOf, isInSpan } from '../served-masters.ts';

/** Adds the distributions of a span to `indexer.distribution_sums`. Returns the number of rows written. */
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

/** Deletes the sums above a block. */
export async function unwindSums(tx: Transaction, chainId: number, to: number): Promise<void> {
  await sql`
    delete from indexer.distribution_sums where chain_id = ${chainId} and position >= ${endOf(to)}
  `.execute(tx);
}
