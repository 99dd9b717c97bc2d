import { type EncodedTable, factCountOf } from '../facts/encoded-batch.ts';
import type { BlockRange } from '../kernel/ranges.ts';

/** A range that was committed, with its number of new facts in all and by table, and how long the commit took. */
export type CommittedRange = BlockRange & {
  readonly facts: number;
  readonly factsByTable: ReadonlyMap<string, number>;
  readonly seconds: number;
};

/** Adds the number of facts of each encoded table to `totals`, by the name of the table. Returns `totals`. */
export function addFactCounts(totals: Map<string, number>, tables: readonly EncodedTable[]): Map<string, number> {
  for (const encoded of tables) {
    const { name } = encoded.table;
    totals.set(name, (totals.get(name) ?? 0) + factCountOf(encoded));
  }
  return totals;
}
