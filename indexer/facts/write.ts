import type { Copy } from '../db/copy.ts';
import type { EncodedBatch } from './encoded-batch.ts';
import { factTables } from './fact-tables.ts';

/**
 * Writes the facts of some batches, one `COPY` a table; a table that has none of them is not touched. The facts must be of
 * ranges that are not covered yet: a fact that is there already violates its table's natural key.
 */
export async function writeFacts(copy: Copy, batches: readonly EncodedBatch[]): Promise<void> {
  for (const { schema, name, columns } of factTables) {
    const texts = batches.flatMap(({ tables }) =>
      tables.filter(({ table }) => table.name === name).map(({ text }) => text),
    );
    if (texts.length > 0) await copy(`${schema}.${name}`, columns, texts);
  }
}
