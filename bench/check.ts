import pg from 'pg';
import { compareTables, describeDifferences } from '../test/kit/oracle/compare.ts';
import { COMPARED_TABLES, type ComparedTable, FACT_TABLES, readTables } from '../test/kit/oracle/stored.ts';
import { type Expected, HASHED_DIGITS, NULL_MARK, SEPARATOR, SPAN_BLOCKS, type SpanSum } from './expected.ts';
import { CHAIN_ID } from './world.ts';

const TABLES_OF_FACTS = COMPARED_TABLES.filter(({ name }) => FACT_TABLES.includes(name));
const TABLES_OF_STATE = COMPARED_TABLES.filter(({ name }) => !FACT_TABLES.includes(name));

/**
 * Throws unless the database holds exactly the expected rows. Every row of state is compared column by column. Rows of facts are compared
 * by one checksum for each span of `SPAN_BLOCKS` blocks.
 */
export async function checkDatabase(url: string, expected: Expected): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const state = compareTables(expected.state, await readTables(client, [CHAIN_ID], TABLES_OF_STATE), TABLES_OF_STATE);
    const problems = describeDifferences(state.flatMap(({ differences }) => differences));
    for (const table of TABLES_OF_FACTS) problems.push(...(await compareFacts(client, table, expected)));
    if (problems.length === 0) return;
    throw new Error(`the measurement is void, because the database differs from the chain:\n${problems.join('\n')}`);
  } finally {
    await client.end();
  }
}

/** Compares the checksums of a table's spans. Describes the differing rows of the first span whose checksum differs. */
async function compareFacts(client: pg.Client, table: ComparedTable, expected: Expected): Promise<string[]> {
  const due = expected.facts.get(table.name) ?? new Map<number, SpanSum>();
  const stored = await sumsOf(client, table);
  const spans = [...new Set([...due.keys(), ...stored.keys()])].sort((a, b) => a - b);
  const differing = spans.filter(
    (span) => due.get(span)?.rows !== stored.get(span)?.rows || due.get(span)?.sum !== stored.get(span)?.sum,
  );
  const [first] = differing;
  if (first === undefined) return [];
  const from = first * SPAN_BLOCKS;
  const ofSpan = {
    ...table,
    query: `select * from (${table.query}) r where block_number between ${from} and ${from + SPAN_BLOCKS - 1}`,
  };
  const rows = await readTables(client, [CHAIN_ID], [ofSpan]);
  const compared = compareTables(await expected.factsOf(first), rows, [ofSpan]);
  return [
    `${table.name}: the checksums of ${differing.length} spans of ${SPAN_BLOCKS} blocks differ, first at block ${from}`,
    ...describeDifferences(compared.flatMap(({ differences }) => differences)),
  ];
}

/** Returns the number of rows of each span and the sum of their hashes. PostgreSQL computes the same as `expectedAfter`. */
async function sumsOf(client: pg.Client, { query }: ComparedTable): Promise<ReadonlyMap<number, SpanSum>> {
  const values = [[String(CHAIN_ID)]];
  const { fields } = await client.query(`select * from (${query}) r limit 0`, values);
  const columns = fields.map(({ name }) => name).sort();
  const texts = columns.map((column) => `coalesce(r.${pg.escapeIdentifier(column)}::text, ${charOf(NULL_MARK)})`);
  const hashed = `left(md5(concat_ws(${charOf(SEPARATOR)}, ${texts.join(', ')})), ${HASHED_DIGITS})`;
  const { rows } = await client.query<{ span: number; rows: string; sum: string }>(
    `select div(block_number::numeric, ${SPAN_BLOCKS})::integer as span, count(*) as rows, sum(('x' || ${hashed})::bit(64)::bigint) as sum
     from (${query}) r group by 1`,
    values,
  );
  return new Map(rows.map((row) => [row.span, { rows: Number(row.rows), sum: BigInt(row.sum) }]));
}

function charOf(character: string): string {
  return `chr(${character.charCodeAt(0)})`;
}
