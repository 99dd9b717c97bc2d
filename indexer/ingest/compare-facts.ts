import { type RawBuilder, sql } from 'kysely';
import type { Copy } from '../db/copy.ts';
import type { Transaction } from '../db/transaction.ts';
import { copyValues } from '../facts/copy-text.ts';
import { type EncodedBatch, type EncodedTable, factCount, keepFacts, textsOf } from '../facts/encoded-batch.ts';
import type { FactTable } from '../facts/fact-table.ts';
import { isOfChain, tableOf } from '../facts/facts-sql.ts';
import { type BlockRange, toMultirange } from '../kernel/ranges.ts';
import { contractKey, type RequestedContract, type Slice } from '../progress/contract-coverage.ts';
import { factTablesOf } from '../protocols/protocols.ts';

/** A fact that only the database holds, or only the chain. */
export type Difference = {
  readonly table: FactTable;
  readonly id: string;
  readonly block: number;
  readonly heldBy: 'database' | 'chain';
};

/** More facts of one table than this are sent by `COPY` instead of as parameters, so that this process does not hold all their values. */
const PARAMETER_FACTS_MAX = 10_000;

/**
 * Compares the facts in the database with those that were read from the chain, column by column. A fact that differs in a column counts
 * as two differences: one on each side.
 *
 * @param slice the contracts and the blocks to compare
 * @param batch the facts that were read from the chain. Facts of other contracts or blocks than those of the slice are ignored.
 */
export async function compareFacts(
  tx: Transaction,
  copy: Copy,
  chainId: number,
  { contracts, blocks }: Slice,
  batch: EncodedBatch,
): Promise<readonly Difference[]> {
  const keys = new Set(contracts.map(contractKey));
  const { tables } = keepFacts(batch, (contract) => keys.has(contractKey(contract)), blocks);
  const differences: Difference[] = [];
  for (const table of new Set(contracts.flatMap(({ kind }) => factTablesOf(kind)))) {
    const read = tables.find((encoded) => encoded.table === table);
    const isLarge = read !== undefined && factCount({ ...batch, tables: [read] }) > PARAMETER_FACTS_MAX;
    const chain = isLarge ? await copiedRows(tx, copy, read) : chainRows(table, read);
    const { rows } = await sql<{ id: string; block: string; held_by: Difference['heldBy'] }>`
      with chain as (${chain}),
      database as (${storedRows(table, chainId, contracts, blocks)})
      select id, block_number as block, 'chain' as held_by from (table chain except table database) lacking
      union all
      select id, block_number, 'database' from (table database except table chain) surplus
    `.execute(tx);
    if (isLarge) await sql`drop table ${COPIED}`.execute(tx);
    for (const { id, block, held_by: heldBy } of rows) differences.push({ table, id, block: Number(block), heldBy });
  }
  return differences;
}

/** Returns the blocks from the first difference to the last. There may be a million differences, too many arguments for `Math.min`. */
export function spanOf(differences: readonly Pick<Difference, 'block'>[]): BlockRange {
  let [from, to] = [Number.MAX_SAFE_INTEGER, -1];
  for (const { block } of differences) {
    from = Math.min(from, block);
    to = Math.max(to, block);
  }
  return { from, to };
}

/** The columns to compare, with their types. Leaves out links to rows of the platform (ids), since the platform may change them. */
function comparedColumns({ columns }: FactTable): readonly (readonly [name: string, type: string])[] {
  return Object.entries(columns).filter(([name, type]) => name === 'id' || type !== 'uuid');
}

const COPIED = sql.table('pg_temp.facts_of_chain');

/** Copies the facts of an encoded table to a temporary table, and returns SQL that selects them as `chainRows` does. */
async function copiedRows(tx: Transaction, copy: Copy, read: EncodedTable): Promise<RawBuilder<unknown>> {
  const { table } = read;
  const columns = Object.entries(table.columns);
  const definitions = columns.map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`);
  await sql`create temporary table facts_of_chain (${sql.join(definitions)}) on commit drop`.execute(tx);
  await copy(
    'pg_temp.facts_of_chain',
    columns.map(([name]) => name),
    textsOf(read),
  );
  return sql`select ${sql.join(comparedColumns(table).map(([name]) => sql.ref(name)))} from ${COPIED}`;
}

/** Returns SQL for the facts of an encoded table, as rows. */
function chainRows(table: FactTable, read: EncodedTable | undefined): RawBuilder<unknown> {
  const lines = read === undefined ? [] : copyValues(read.text);
  const order = Object.keys(table.columns);
  const compared = comparedColumns(table);
  const values = compared.map(([name]) => lines.map((line) => line[order.indexOf(name)] ?? null));
  return sql`
    select ${sql.join(compared.map(([name, type]) => sql`${sql.ref(name)}::${sql.raw(type)} as ${sql.ref(name)}`))}
    from unnest(${sql.join(values.map((column) => sql`${column}::text[]`))})
      as given (${sql.join(compared.map(([name]) => sql.ref(name)))})
  `;
}

function storedRows(
  table: FactTable,
  chainId: number,
  contracts: readonly RequestedContract[],
  blocks: readonly BlockRange[],
): RawBuilder<unknown> {
  const selected = comparedColumns(table).map(
    ([name, type]) => sql`${sql.ref(name)}::${sql.raw(type)} as ${sql.ref(name)}`,
  );
  const [first, last] = [blocks[0]?.from ?? 0, blocks.at(-1)?.to ?? -1];
  return sql`
    select ${sql.join(selected)} from ${tableOf(table)}
    where ${isOfChain(table, chainId)} and block_number between ${first} and ${last}
      and ${toMultirange(blocks)}::int8multirange @> block_number::bigint and ${belongsToAny(table, contracts)}
  `;
}

/** Returns the condition that a fact belongs to any of some contracts. */
function belongsToAny(
  { kind, orphans, former, foldColumns }: FactTable,
  contracts: readonly RequestedContract[],
): RawBuilder<boolean> {
  const own = kind === null ? contracts : contracts.filter((contract) => contract.kind === kind);
  const addresses = own.map(({ address }) => address);
  if (kind === null && orphans !== undefined && 'kindColumn' in orphans) {
    return sql`(address, ${sql.ref(orphans.kindColumn)}) in (
      select * from unnest(${addresses}::text[], ${own.map((contract) => contract.kind)}::text[]))`;
  }
  const platformIds = own.flatMap(({ platformId }) => platformId ?? []);
  return (
    former?.isOfAny(addresses, platformIds) ??
    sql`${sql.ref(foldColumns?.addressColumn ?? 'address')} = any(${addresses}::text[])`
  );
}
