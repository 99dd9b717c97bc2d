import { type RawBuilder, sql } from 'kysely';
import type { FactTable, StateTable } from '../../facts/fact-table.ts';
import { type FactRange, type Fold, isAtPosition, NO_POSITION, positionOf, type Reading } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';

/** The tables, columns and SQL fragments of one kind of balance. */
export type Balances = {
  readonly name: string;
  readonly reads: Reading;
  /** The table with a row for each wallet and contract. */
  readonly table: StateTable;
  /** The platform's table of contracts, whose rows hold the totals, such as the supply or the number of holders. */
  readonly totals: StateTable;
  /** The column of `table` with the id of the contract's row in `totals`. In the SQL of this file, `owner` is this id, and not a wallet. */
  readonly owner: string;
  /** The column of `totals` with the address of the contract. */
  readonly addressColumn: string;
  readonly balance: string;
  /** The columns of `table` that describe the earliest transfer of more than 0 to the wallet. */
  readonly entry: { readonly position: string; readonly time: string; readonly transaction: string };
  /** The columns of the unique key of `table`. The first two are the column that `owner` names, and the wallet. */
  readonly key: readonly string[];
  /** A condition that selects the rows of `table` that belong to this fold. Default: all rows. */
  readonly only?: RawBuilder<boolean>;
  /** Returns a query for the transfers in the range, with the columns `owner`, `sender`, `receiver`, `value` and `position`. */
  movements(range: FactRange): RawBuilder<unknown>;
  /**
   * Returns the final part of the statement, which adds the changes in the range to the totals (sign 1) or subtracts them (sign -1). This
   * part may read the common table expressions `movement` and `touched`. `touched` has a row for each wallet that sends or
   * receives in the range, with the `owner` and the balances without (`before`) and with the range (`after`).
   */
  addTotals(range: FactRange, sign: 1 | -1): RawBuilder<unknown>;
};

/**
 * Returns a fold of the balance of each wallet, the time when it first received a value, and the totals of each contract.
 *
 * A sum and a minimum commute, so ranges may be applied in any order. An unwound range always ends at the head of the chain. So if it
 * contains the first fact of a wallet, it contains all facts of the wallet, and the unwind deletes the wallet's row. From all other rows
 * the unwind subtracts the sum that was added, so it restores them exactly.
 */
export function balanceFold(balances: Balances): Fold {
  return {
    name: balances.name,
    reads: balances.reads,
    writes: [balances.table, balances.totals],
    apply: (range) => [{ statement: merge(balances, range) }],
    unwind: (range) => [{ statement: restore(balances, range) }],
  };
}

function merge(balances: Balances, range: FactRange): RawBuilder<unknown> {
  const { table, totals, reads, owner, balance, entry, key, addressColumn } = columnsOf(balances);
  const isEarlier = sql`excluded.${entry.position} < coalesce(held.${entry.position}, ${NO_POSITION})`;
  return sql`
    with movement as materialized (${balances.movements(range)}),
    change as materialized (${changes()}),
    merged as (
      insert into ${table} as held (
        id, ${owner}, chain_id, wallet_address, ${balance}, first_position,
        ${entry.position}, ${entry.time}, ${entry.transaction})
      select
        indexer.derived_id(
          ${`${balances.table.name}:`} || ${String(range.chainId)} || ':' || contract.${addressColumn} || ':' || change.wallet),
        change.owner, ${String(range.chainId)}, change.wallet, change.delta, change.first_position,
        entry.position, entry.block_timestamp, entry.tx_hash
      from change join ${totals} contract on contract.id = change.owner
      left join lateral (
        select position, block_timestamp, tx_hash from ${sql.table(qualifiedName(reads.table))}
        where ${isAtPosition(reads.table, range, balances.table.kind, sql`change.entry_position`)} limit 1
      ) entry on true
      order by change.owner, change.wallet -- the order in which every commit locks rows
      on conflict (${sql.join(key)}) do update set
        ${balance} = held.${balance} + excluded.${balance},
        first_position = least(held.first_position, excluded.first_position),
        ${entry.time} = case when ${isEarlier} then excluded.${entry.time} else held.${entry.time} end,
        ${entry.transaction} = case when ${isEarlier} then excluded.${entry.transaction} else held.${entry.transaction} end,
        ${entry.position} = least(held.${entry.position}, excluded.${entry.position})
      returning ${owner} as owner, wallet_address as wallet, ${balance} as balance
    ),
    touched as (
      -- PostgreSQL runs a full join as a hash or merge join even if it expects few rows. A nested loop would be quadratic here.
      select merged.owner, merged.balance - change.delta as before, merged.balance as after
      from merged full join change on merged.owner = change.owner and merged.wallet = change.wallet
    )
    ${balances.addTotals(range, 1)}
  `;
}

function restore(balances: Balances, range: FactRange): RawBuilder<unknown> {
  const { table, owner, balance, entry, only } = columnsOf(balances);
  const cut = positionOf(range.from);
  const isSame = sql`held.${owner} = change.owner and held.wallet_address = change.wallet and ${only}`;
  const kept = (column: RawBuilder<unknown>) => sql`case when held.${entry.position} < ${cut} then held.${column} end`;
  return sql`
    with movement as materialized (${balances.movements(range)}),
    change as materialized (${changes()}),
    gone as (
      delete from ${table} held using change where ${isSame} and held.first_position >= ${cut}
      returning held.${owner} as owner, held.${balance} as before, 0::numeric as after
    ),
    kept as (
      update ${table} held set
        ${balance} = held.${balance} - change.delta,
        ${entry.time} = ${kept(entry.time)}, ${entry.transaction} = ${kept(entry.transaction)},
        ${entry.position} = ${kept(entry.position)}
      from change
      where ${isSame} and held.first_position < ${cut}
      returning held.${owner} as owner, held.${balance} + change.delta as before, held.${balance} as after
    ),
    -- before and after are swapped, because the totals lose what the range had added.
    touched as (select owner, after as before, before as after from (select * from gone union all select * from kept) held)
    ${balances.addTotals(range, -1)}
  `;
}

/** Returns a query for the change of each wallet's balance by the transfers in `movement`, with one row per contract and wallet. */
function changes(): RawBuilder<unknown> {
  return sql`
    select owner, wallet, sum(amount) as delta, min(position) as first_position,
      min(position) filter (where amount > 0) as entry_position
    from (
      select owner, receiver as wallet, value as amount, position from movement
      union all
      select owner, sender, -value, position from movement
    ) signed
    where wallet <> ${ZERO_ADDRESS}
    group by owner, wallet
  `;
}

function columnsOf({ table, totals, reads, owner, balance, entry, key, addressColumn, only = sql`true` }: Balances) {
  return {
    table: sql.table(qualifiedName(table)),
    totals: sql.table(qualifiedName(totals)),
    reads,
    owner: sql.ref(owner),
    balance: sql.ref(balance),
    entry: {
      position: sql.ref(entry.position),
      time: sql.ref(entry.time),
      transaction: sql.ref(entry.transaction),
    },
    key: key.map((column) => sql.ref(column)),
    addressColumn: sql.ref(addressColumn),
    only,
  };
}

function qualifiedName({ schema, name }: FactTable | StateTable): string {
  return `${schema}.${name}`;
}
