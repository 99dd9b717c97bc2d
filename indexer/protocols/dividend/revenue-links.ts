import { type RawBuilder, sql } from 'kysely';

/** The factors from smallest units to the units in which the platform may write an amount: wei, 18 decimals, 6 decimals. */
const UNITS = [sql`1`, sql`0.000000000000000001`, sql`0.000001`];

/**
 * Returns a statement that links deposits to the platform's rows of the revenue that they came from (`dividend_events.revenue_event_id`).
 *
 * Both have the same contract and transaction. If a transaction has one deposit and one revenue row, they belong together. Otherwise those
 * of the same amount do, and several of the same amount in the order of their logs and rows. A link that the platform wrote itself stays,
 * and a link of ours follows the platform's rows.
 *
 * @param scope the condition that a row `event` of `dividend_events` may be linked. It must hold for all deposits of a transaction or none.
 */
export function linkRevenue(scope: RawBuilder<boolean>): RawBuilder<unknown> {
  const amounts = UNITS.map((unit) => sql`round(deposit.total_amount * ${unit}, 8)`);
  return sql`
    with deposit as materialized (
      select event.id, dividend_contract_id, tx_hash, total_amount,
        count(*) over (partition by dividend_contract_id, tx_hash) as of_transaction,
        row_number() over (partition by dividend_contract_id, tx_hash, total_amount order by log_index) as place
      from dividend_events event
      where event.event_type = 'deposit' and event.block_hash is not null
        and (event.revenue_event_id is null or event.revenue_link_derived) and ${scope}
    ),
    revenue as materialized (
      select revenue.id, dividend_contract_id, tx_hash, amount,
        count(*) over (partition by dividend_contract_id, tx_hash) as of_transaction,
        row_number() over (partition by dividend_contract_id, tx_hash, amount order by revenue.created_at, revenue.id) as place
      from (select distinct dividend_contract_id, tx_hash from deposit) deposited
      join revenue_events revenue on lower(revenue.deposit_tx_hash) = tx_hash
        and revenue.deposited_to_contract_id = dividend_contract_id
      where not exists (
        select from dividend_events taken where taken.revenue_event_id = revenue.id and not taken.revenue_link_derived)
    ),
    pair as (
      select distinct on (deposit.id) deposit.id, revenue.id as revenue_id
      from deposit join revenue using (dividend_contract_id, tx_hash)
      where (deposit.of_transaction = 1 and revenue.of_transaction = 1)
        or (deposit.place = revenue.place and revenue.amount in (${sql.join(amounts)}))
      order by deposit.id, revenue.id
    )
    update dividend_events event set revenue_event_id = pair.revenue_id, revenue_link_derived = pair.revenue_id is not null
    from deposit left join pair using (id)
    where event.id = deposit.id and event.revenue_event_id is distinct from pair.revenue_id
  `;
}
