import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../db/step.ts';
import type { StateTable } from '../facts/fact-table.ts';
import { tableOf } from '../facts/facts-sql.ts';
import { type FactRange, type Fold, type Reading, within } from '../facts/fold.ts';

/**
 * Returns the steps that lock rows which several folds of one commit write, by the fold before which each is to run.
 *
 * Two commits that locked such rows fold by fold would wait for each other. So the rows of all contracts that these folds' facts name
 * are locked before the first of them writes, in the table's order. No step is needed where the first fold reads every fact of the
 * table that the others read: it locks the same rows itself, in the same order. A fold that reads some tags alone may not, because
 * it may look at fewer contracts still (`mint-order` locks those whose first mints change).
 */
export function lockSteps(applied: readonly Fold[], range: FactRange): ReadonlyMap<Fold, readonly Step[]> {
  const steps = new Map<Fold, Step[]>();
  const shared = new Set(applied.flatMap(({ writes }) => writes.filter(({ lockOrder }) => lockOrder !== undefined)));
  for (const table of shared) {
    const writers = applied.filter(({ writes }) => writes.includes(table));
    const [first, ...others] = writers;
    if (first === undefined || others.every((other) => includes(first.reads, other.reads))) continue;
    steps.set(first, [...(steps.get(first) ?? []), { statement: lockRows(table, writers, range) }]);
  }
  return steps;
}

function includes(first: Reading, other: Reading): boolean {
  return first.table === other.table && first.tags === undefined;
}

function lockRows(table: StateTable, writers: readonly Fold[], range: FactRange): RawBuilder<unknown> {
  const { kind, lockOrder = 'id' } = table;
  const named = writers.map(
    ({ reads: { table: facts, tags } }) => sql`
      select ${sql.ref(facts.reading?.addressColumn ?? 'address')} from ${tableOf(facts)}
      where ${within(facts, range, kind, tags)}`,
  );
  return sql`
    select id from ${tableOf(table)} held
    where id in (
      select platform_id from indexer.contracts
      where chain_id = ${range.chainId} and kind = ${sql.lit(kind)} and address in (${sql.join(named, sql` union `)}))
    order by ${sql.ref(`held.${lockOrder}`)} for no key update of held
  `;
}
