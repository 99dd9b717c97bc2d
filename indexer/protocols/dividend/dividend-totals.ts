import { type RawBuilder, sql } from 'kysely';
import { type FactRange, type Fold, isInRange } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { dividendEvents } from './dividend-events.ts';
import { dividendContracts } from './state-tables.ts';

/** Derives the total deposits and distributions of a dividend contract in the native coin. The totals leave out all other currencies. */
export const dividendTotals: Fold = {
  name: 'dividend-totals',
  reads: { table: dividendEvents, tags: ['deposit', 'distribution'] },
  writes: [dividendContracts],
  apply: (range) => [{ statement: add(range, sql`+`) }],
  unwind: (range) => [{ statement: add(range, sql`-`) }],
};

function add(range: FactRange, sign: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    with change as (
      select dividend_contract_id,
        coalesce(sum(total_amount) filter (where event_type = 'deposit'), 0) as deposited,
        coalesce(sum(total_amount) filter (where event_type = 'distribution'), 0) as distributed
      from dividend_events where ${isInRange(dividendEvents, range, 'dividend')} and currency = ${ZERO_ADDRESS} and event_type <> 'claim'
      group by dividend_contract_id
    ),
    locked as (
      select id, change.deposited, change.distributed from dividend_contracts join change on change.dividend_contract_id = id
      order by id for no key update of dividend_contracts
    )
    update dividend_contracts contract set
      total_revenue_deposited = coalesce(total_revenue_deposited, 0) ${sign} locked.deposited,
      total_dividends_distributed = coalesce(total_dividends_distributed, 0) ${sign} locked.distributed
    from locked where contract.id = locked.id
  `;
}
