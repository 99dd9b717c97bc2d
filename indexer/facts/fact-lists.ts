import type { FactTable } from './fact-table.ts';
import type { Origin, Quarantine } from './origin.ts';

/** Decoded facts by table. Each list is ordered by `(block, log index)`. Facts of one log stay in the order in which they were decoded. */
export class FactLists {
  readonly #lists = new Map<FactTable, Origin[]>();

  /** Returns a table's list, to read or to append to. */
  of<Fact extends Origin>(table: FactTable<Fact>): Fact[] {
    let list = this.#lists.get(table as FactTable);
    if (list === undefined) {
      list = [];
      this.#lists.set(table as FactTable, list);
    }
    return list as Fact[];
  }

  /** Returns the tables that have facts. */
  tables(): readonly FactTable[] {
    return [...this.#lists].filter(([, list]) => list.length > 0).map(([table]) => table);
  }
}

/** The facts of a range, and the contracts that cannot be indexed further because of a log in the range. */
export type DecodedBatch = { readonly facts: FactLists; readonly quarantined: readonly Quarantine[] };
