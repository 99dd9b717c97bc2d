import { sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Step } from '../db/step.ts';
import { type EncodedBatch, type EncodedTable, factCount, textsOf } from './encoded-batch.ts';
import type { FactTable } from './fact-table.ts';

/** A batch of at most this many facts is written by `insert` statements. `COPY` is faster for more facts. */
const INSERTED_FACTS_MAX = 500;

/**
 * Writes the facts of several batches by one `COPY` per table. None of the facts may be stored already, because a second row of a fact
 * would violate the natural key of the table.
 *
 * @param order every table of facts, in the order in which commits write to them
 */
export async function writeFacts(
  copy: Copy,
  order: readonly FactTable[],
  batches: readonly EncodedBatch[],
): Promise<void> {
  const byTable = Map.groupBy(
    batches.flatMap(({ tables }) => tables),
    ({ table }) => table,
  );
  for (const table of order) {
    const encoded = byTable.get(table);
    if (encoded === undefined) continue;
    await copy(`${table.schema}.${table.name}`, Object.keys(table.columns), textsOfAll(encoded));
  }
}

function* textsOfAll(tables: readonly EncodedTable[]): Iterable<Buffer> {
  for (const table of tables) yield* textsOf(table);
}

/** Returns steps that insert a batch's facts without `COPY`. Undefined if the batch is too large or its text has escapes besides `\N`. */
export function insertFacts(batch: EncodedBatch): readonly Step[] | undefined {
  if (factCount(batch) > INSERTED_FACTS_MAX) return undefined;
  const texts = batch.tables.map(({ text }) => text.toString('utf8', 0, text.length - 1));
  // The insertion below reads `\N` as null. It does not read the other escapes of `COPY`'s text format.
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
