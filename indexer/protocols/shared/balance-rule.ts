import { type RawBuilder, sql } from 'kysely';
import type { FactTable } from '../../facts/fact-table.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import {
  firstContradictions,
  remembered,
  SUPPLY_KEY,
  type SupplyRule,
  type SweepRule,
  type SweepWindow,
  sweptContracts,
} from './sweep-rule.ts';

/** Describes the transfers of a kind of token. */
export type TokenMovements = {
  readonly reads: FactTable;
  /** Returns a query for the transfers in a block range, with the columns `address`, `sender`, `receiver`, `value` and `position`. */
  movements(range: Omit<SweepWindow, 'sweeps'>): RawBuilder<unknown>;
  /** An SQL expression over the columns of a transfer: the amount by which the transfer changes the supply. */
  readonly supplyChange: RawBuilder<unknown>;
};

/**
 * Returns the rule that no wallet's balance is negative at any position. The rule stores the balance of each wallet and the supply, for the
 * next window (the block range that the sweep checks next).
 *
 * A contradiction is a balance below zero that is lower than all earlier balances of the wallet. To report one missing log only once, the
 * rule then continues as if the wallet had received the missing amount: the balance that it stores is increased by this amount.
 *
 * The missing log may be at any earlier position. The contradiction names the blocks since the wallet's previous transfer, which are
 * searched first.
 */
export function balanceRule({ reads, movements, supplyChange }: TokenMovements): SweepRule {
  // A transfer from a wallet to itself counts as sent first, so the wallet must already have the amount.
  const wallet = sql`partition by id, wallet order by position, is_receipt`;
  return {
    name: 'balance',
    reads: [reads],
    mayBeOlder: true,
    ask: (window) => sql`
      with swept as materialized (${sweptContracts(window)}),
      movement as materialized (
        select swept.id, address, sender, receiver, value, position
        from (${movements(window)}) transfer join swept using (address)
      ),
      change as materialized (
        select id, receiver as wallet, value as amount, position, true as is_receipt
        from movement where receiver <> ${ZERO_ADDRESS}
        union all
        select id, sender, -value, position, false from movement where sender <> ${ZERO_ADDRESS}
      ),
      wallet as materialized (
        select moved.id, moved.wallet, coalesce(held.value::numeric, 0) as balance, held.position as last_position
        from (select distinct id, wallet from change) moved
        left join lateral (${remembered(sql`moved.id`, sql`moved.wallet`)}) held on true
      ),
      running as materialized (
        select id, wallet, position, is_receipt, wallet.balance + sum(amount) over (${wallet}) as balance,
          coalesce(lag(position) over (${wallet}), last_position) as since, lead(position) over (${wallet}) is null as is_last
        from change join wallet using (id, wallet)
      ),
      lowest as materialized (
        select running.*, least(0, min(balance) over (${wallet})) as lowest,
          least(0, min(balance) over (${wallet} rows between unbounded preceding and 1 preceding)) as lowest_before
        from running
      ),
      kept as (
        insert into indexer.sweep_values (sweep_id, key, value, position)
        select id, wallet, (balance - lowest)::text, position from lowest where is_last order by id, wallet
        on conflict (sweep_id, key) do update set value = excluded.value, position = excluded.position
      ),
      supply as (
        insert into indexer.sweep_values as held (sweep_id, key, value, position)
        select id, ${SUPPLY_KEY}, sum(${supplyChange})::text, max(position) from movement group by id order by id
        on conflict (sweep_id, key) do update set
          value = (held.value::numeric + excluded.value::numeric)::text, position = excluded.position
      ),
      found as (
        select id, since, position, wallet || ' spends ' || lowest_before - balance || ' more than it has' as detail
        from lowest where balance < lowest_before
      )
      ${firstContradictions()}
    `,
  };
}

/** Returns the rule by which the supply of a token follows from its transfers. `ledger` is the rule that stores the supply so far. */
export function transferredSupply({ movements, supplyChange }: TokenMovements, ledger: SweepRule): SupplyRule {
  return {
    ledger,
    change: ({ address, ...range }) => sql`
      select coalesce(sum(${supplyChange}), 0) as change from (${movements(range)}) transfer where address = ${address}
    `,
  };
}
