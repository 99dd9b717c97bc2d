import { type RawBuilder, sql } from 'kysely';
import type { StateTable } from '../../facts/fact-table.ts';
import { type FactRange, type Fold, isInRange, positionOf } from '../../facts/fold.ts';
import { contractEvents } from './contract-events.ts';

/**
 * Describes columns of the platform's row of a contract that hold arguments of the contract's latest event with the name `event`. All names
 * are constants of the program.
 */
export type LatestEvent = {
  readonly name: string;
  readonly event: string;
  /** The platform's table of the contracts. */
  readonly table: StateTable;
  /** The column with the position (block × 2³² + log index) of the event whose arguments the row holds. */
  readonly position: string;
  /** For each column: the event argument that the column holds, and the value of the column before the first event. */
  readonly columns: Readonly<Record<string, { readonly argument: string; readonly initial: number | null }>>;
};

/** Returns a fold that copies arguments of a contract's latest event with one name to the platform's row of the contract. */
export function latestEvent(shown: LatestEvent): Fold {
  return {
    name: shown.name,
    reads: { table: contractEvents, tags: [shown.event] },
    writes: [shown.table],
    apply: (range) => [{ statement: apply(shown, range) }],
    unwind: (range) => [{ statement: unwind(shown, range) }],
  };
}

function apply(
  { event, table: { name, kind, lockOrder = 'id' }, position, columns }: LatestEvent,
  range: FactRange,
): RawBuilder<unknown> {
  const shown = Object.entries(columns).map(
    ([column, { argument }]) => sql`${sql.ref(column)} = (locked.arguments ->> ${sql.lit(argument)})::numeric`,
  );
  return sql`
    with latest as (
      select distinct on (address) address, position, arguments
      from indexer.contract_events where ${isInRange(contractEvents, range, kind, [event])} order by address, position desc
    ),
    locked as (
      select shown.id, latest.position, latest.arguments
      from latest
      join indexer.contracts contract
        on contract.chain_id = ${range.chainId} and contract.address = latest.address and contract.kind = ${sql.lit(kind)}
      join ${sql.table(name)} shown on shown.id = contract.platform_id
      order by ${sql.ref(`shown.${lockOrder}`)} for no key update of shown
    )
    update ${sql.table(name)} shown set
      ${sql.join(shown)}, ${sql.ref(position)} = locked.position
    from locked
    where shown.id = locked.id and (shown.${sql.ref(position)} is null or shown.${sql.ref(position)} < locked.position)
  `;
}

function unwind(
  { event, table: { name, kind }, position, columns }: LatestEvent,
  range: FactRange,
): RawBuilder<unknown> {
  const shown = Object.entries(columns).map(
    ([column, { argument, initial }]) =>
      sql`${sql.ref(column)} = coalesce((previous.arguments ->> ${sql.lit(argument)})::numeric, ${sql.lit(initial)})`,
  );
  return sql`
    with touched as (
      select distinct contract.chain_id, contract.address, contract.platform_id
      from (select * from indexer.contract_events where ${isInRange(contractEvents, range, kind, [event])}) fact
      join indexer.contracts contract using (chain_id, address, kind)
    )
    update ${sql.table(name)} shown set ${sql.join(shown)}, ${sql.ref(position)} = previous.position
    from touched left join lateral (
      select arguments, position from indexer.contract_events event
      where event.chain_id = touched.chain_id and event.address = touched.address and event.event = ${sql.lit(event)}
        and event.kind = ${sql.lit(kind)} and event.position < ${positionOf(range.from)}
      order by position desc limit 1
    ) previous on true
    where shown.id = touched.platform_id
  `;
}
