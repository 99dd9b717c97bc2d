import { type RawBuilder, sql } from 'kysely';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';

/**
 * Returns a query that computes the balance of each wallet from transfers. Its columns are `wallet`, `balance`, `first_position` (of the
 * wallet's first transfer), and `entered_at` and `entry_tx_hash` (the time and transaction in which the wallet first received a value).
 *
 * @param transfers a query with the columns `sender`, `receiver`, `value`, `position`, `block_timestamp` and `tx_hash`
 */
export function balancesOf(transfers: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    with transfer as materialized (${transfers}),
    moved as (
      select receiver as wallet, value, position from transfer where receiver <> ${ZERO_ADDRESS}
      union all
      select sender, -value, position from transfer where sender <> ${ZERO_ADDRESS}
    ),
    summed as (
      select wallet, sum(value) as balance, min(position) as first_position, min(position) filter (where value > 0) as entry_position
      from moved group by wallet
    )
    select wallet, balance, first_position, entry.block_timestamp as entered_at, entry.tx_hash as entry_tx_hash
    from summed left join transfer entry on entry.position = entry_position
  `;
}
