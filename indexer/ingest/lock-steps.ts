import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../db/step.ts';
import type { StateTable } from '../facts/fact-table.ts';
import { tableOf } from '../facts/facts-sql.ts';
import { type FactRange, type Fold, isInRange, type Reading } from '../facts/fold.ts';

/**
 * Returns the steps that lock those rows of state that several folds of one commit write. The key of each entry is the fold before which
 * its steps run.
 *
 * Without these steps, each fold would lock such rows when it writes them, and two commits could deadlock. So before the first of these
 * folds, a step locks the rows of all contracts whose facts the folds read, in the order of the column `lockOrder`. No step is needed if
 * the first fold reads every fact that the others read, because it locks the same rows in the same order itself. A first fold that reads
 * only facts with certain tags does not suffice, because it may lock fewer rows: `mint-order` locks only the contracts whose first mints
 * change.
 */
export function lockSteps(applied: readonly Fold[], range: FactRange): ReadonlyMap<Fold, readonly Step[]> {
  const steps = new Map<Fold, Step[]>();
  const shared = new Set(applied.flatMap(({ writes }) => writes.filter(({ lockOrder }) => lockOrder !== undefined)));
  for (const table of shared) {
    const writers = applied.filter(({ writes }) => writes.includes(table));
    const [first, ...others] = writers;
    if (first === undefined || others.every((other) => readsAllOf(first.reads, other.reads))) continue;
    steps.set(first, [...(steps.get(first) ?? []), { statement: lockRows(table, writers, range) }]);
  }
  return steps;
}

/** Returns whether the reading `first` selects every fact that the reading `other` selects. */
function readsAllOf(first: Reading, other: Reading): boolean {
  return first.table === other.table && first.tags === undefined;
}

function lockRows(table: StateTable, writers: readonly Fold[], range: FactRange): RawBuilder<unknown> {
  const { kind, lockOrder = 'id' } = table;
  const addresses = writers.map(
    ({ reads: { table: facts, tags } }) => sql`
      select ${sql.ref(facts.foldColumns?.addressColumn ?? 'address')} from ${tableOf(facts)}
      where ${isInRange(facts, range, kind, tags)}`,
  );
  return sql`
    select id from ${tableOf(table)} held
    where id in (
      select platform_id from indexer.contracts
      where chain_id = ${range.chainId} and kind = ${sql.lit(kind)} and address in (${sql.join(addresses, sql` union `)}))
    order by ${sql.ref(`held.${lockOrder}`)} for no key update of held
  `;
}
