import { type RawBuilder, sql } from 'kysely';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';

const KEY = sql`dividend_contract_id, tx_hash`;

/**
 * Returns a query that pairs deposits with revenue rows of the same contract, transaction and amount: the first deposit with the oldest
 * row, the second deposit with the second oldest row, and so on. Leaves out deposits and rows of the pairs in the relation `earlier`.
 */
const ofAmount = (amount: RawBuilder<unknown>, earlier: RawBuilder<unknown>) => sql`
  select deposit.id, revenue.id as revenue_id
  from (
    select *, ${amount} as amount, row_number() over (partition by ${KEY}, ${amount} order by log_index) as place
    from deposit where id not in (select id from ${earlier})
  ) deposit
  join (
    select *, row_number() over (partition by ${KEY}, amount order by created_at, id) as place
    from revenue where id not in (select revenue_id from ${earlier})
  ) revenue using (${KEY}, amount, place)`;

/**
 * Returns a statement that links deposits to the platform's rows of the same revenue (`revenue_events`), by
 * `dividend_events.revenue_event_id`.
 *
 * A deposit and its revenue row have the same contract and transaction. If a transaction has one deposit and one revenue row, these are
 * linked. Otherwise a deposit is linked to a row of the same amount. Deposits of equal amounts are paired in the order of their logs with
 * rows in the order of creation. The platform writes amounts in units of the currency, with 8 decimals. The statement first compares
 * amounts as those of a currency with 18 decimals, and then as those of a token with 6 decimals. A link that the platform wrote itself
 * stays. A link that this program wrote changes with the platform's rows.
 *
 * @param scope the condition that selects the deposits to link, on the alias `event` of `dividend_events`. It must hold for all deposits
 *   of a transaction or for none of them.
 */
export function linkRevenue(scope: RawBuilder<boolean>): RawBuilder<unknown> {
  return sql`
    with deposit as materialized (
      select event.id, ${KEY}, log_index, round(total_amount * 0.000000000000000001, 8) as of_18_decimals,
        case when currency <> ${ZERO_ADDRESS} then round(total_amount * 0.000001, 8) end as of_6_decimals,
        count(*) over (partition by ${KEY}) as of_transaction
      from dividend_events event
      where event.event_type = 'deposit' and event.block_hash is not null
        and (event.revenue_event_id is null or event.revenue_link_derived) and ${scope}
    ),
    revenue as materialized (
      select revenue.id, ${KEY}, amount, created_at, count(*) over (partition by ${KEY}) as of_transaction
      from (select distinct ${KEY} from deposit) deposited
      join revenue_events revenue on lower(revenue.deposit_tx_hash) = tx_hash
        and revenue.deposited_to_contract_id = dividend_contract_id
      where not exists (
        select from dividend_events taken where taken.revenue_event_id = revenue.id and not taken.revenue_link_derived)
    ),
    alone as (
      select deposit.id, revenue.id as revenue_id from deposit join revenue using (${KEY}, of_transaction) where of_transaction = 1
    ),
    most as materialized (
      select * from alone union all select * from (${ofAmount(sql`of_18_decimals`, sql`alone`)}) same
    ),
    pair as (
      select * from most union all select * from (${ofAmount(sql`of_6_decimals`, sql`most`)}) same
    )
    update dividend_events event set revenue_event_id = pair.revenue_id, revenue_link_derived = pair.revenue_id is not null
    from deposit left join pair using (id)
    where event.id = deposit.id and event.revenue_event_id is distinct from pair.revenue_id
  `;
}
