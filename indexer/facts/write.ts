import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Step } from '../db/step.ts';
import { factTables } from '../protocols/fact-tables.ts';
import { type EncodedBatch, type EncodedTable, factCount } from './encoded-batch.ts';

/** Up to so many facts are inserted as steps; with more a `COPY` is faster. */
const INSERTED_FACTS_MAX = 500;

/**
 * Writes the facts of some batches, one `COPY` a table; a table that has none of them is not touched. The facts must be of
 * ranges that are not covered yet: a fact that is there already violates its table's natural key.
 */
export async function writeFacts(copy: Copy, batches: readonly EncodedBatch[]): Promise<void> {
  for (const { schema, name, columns } of factTables) {
    const texts = batches.flatMap(({ tables }) =>
      tables.filter(({ table }) => table.name === name).map(({ text }) => text),
    );
    if (texts.length > 0) await copy(`${schema}.${name}`, Object.keys(columns), texts);
  }
}

/** The same for a few facts by `insert`, which needs no connection of its own; undefined where only a `COPY` will do. */
export function insertFacts(batch: EncodedBatch): readonly Step[] | undefined {
  if (factCount(batch) > INSERTED_FACTS_MAX) return undefined;
  const texts = batch.tables.map(({ text }) => text.toString('utf8', 0, text.length - 1));
  // What the text format escapes, nulls aside, `COPY` alone reads.
  if (texts.some((text) => /\\[^N]/.test(text))) return undefined;
  return batch.tables.map(({ table }, at) => ({ statement: insertion(table, texts[at] as string) }));
}

function insertion({ schema, name, columns }: EncodedTable['table'], text: string) {
  const values = Object.values(columns).map((type, at) => sql`line[${sql.lit(at + 1)}]::${sql.raw(type)}`);
  return sql`
    insert into ${sql.table(`${schema}.${name}`)} (${sql.join(Object.keys(columns).map((column) => sql.ref(column)))})
    select ${sql.join(values)}
    from string_to_table(${text}, E'\n') as text, string_to_array(text, E'\t', '\\N') as line
  `;
}
