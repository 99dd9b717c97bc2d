import type { Copy } from '../db/copy.ts';
import type { FactLists } from '../decode/decoded-batch.ts';
import { factTables } from './fact-tables.ts';

/** Lines handed to one COPY, so that only a part of a batch is held as text. */
const COPY_LINES_MAX = 20_000;

/**
 * Writes the facts of a batch; a table that has none of them is not touched. The facts must be of ranges that are not covered
 * yet: a fact that is there already violates its table's natural key.
 */
export async function writeFacts(copy: Copy, batch: FactLists): Promise<void> {
  for (const { schema, name, columns, lines } of factTables) {
    let pending: string[] = [];
    for (const line of lines(batch)) {
      pending.push(line);
      if (pending.length < COPY_LINES_MAX) continue;
      await copy(`${schema}.${name}`, columns, pending);
      pending = [];
    }
    if (pending.length > 0) await copy(`${schema}.${name}`, columns, pending);
  }
}
