import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../db/step.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { FactTable, StateTable } from './fact-table.ts';

/**
 * The block range over which a fold runs, on one chain, both ends included. A commit has just written the facts of the range, or an unwind
 * is about to delete them. `contracts` restricts the range to the facts of some contracts.
 */
export type FactRange = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly contracts?: readonly { readonly address: Hex; readonly kind: ContractKind }[];
  /** Whether all steps are sent to PostgreSQL at once. Then a step whose rows require a follow-up step must call `indexer.refuse()`. */
  readonly batched?: boolean;
};

/** Selects the facts that a fold reads: the facts of one table with any of `tags`. Undefined `tags` select all facts of the table. */
export type Reading = { readonly table: FactTable; readonly tags?: readonly string[] };

/**
 * A rule that derives state from facts.
 *
 * The steps of `apply` run after the facts of the range were written, in the transaction that writes them. The steps of `unwind` run
 * before the facts are deleted, in the transaction that deletes them. Ranges may be applied in any order. An `unwind` of a range that ends
 * at the head restores every row that `apply` changed.
 */
export type Fold = {
  readonly name: string;
  /** The facts that the fold reads. It does not run for a range without such facts. */
  readonly reads: Reading;
  /** The tables of state that the fold writes. Rows that several folds write are locked before the first of these folds runs. */
  readonly writes: readonly StateTable[];
  apply(range: FactRange): readonly Step[];
  unwind(range: FactRange): readonly Step[];
};

/**
 * Returns an expression for the select list of a step that may need a follow-up step. A row in the step's result means that it does. A
 * batched commit cannot run a follow-up step. In such a commit, the expression raises an error, and the commit is repeated step by step.
 */
export function refuseIfBatched({ batched }: FactRange): RawBuilder<unknown> {
  return batched ? sql`indexer.refuse()` : sql`true`;
}

/** A value larger than the position of any log. It means "none yet" in comparisons that look for the earliest position. */
export const NO_POSITION = sql`9223372036854775807::bigint`;

/** Returns the position of the first log of a block: block × 2³². The generated column `position` of a fact is this plus its log index. */
export function positionOf(block: number): RawBuilder<bigint> {
  return sql`(${block}::bigint * 4294967296)`;
}

/**
 * Returns the condition that a fact of a table has a given position, expressed in the columns of the table's unique index.
 *
 * Use it in `lateral (select … where … limit 1)`, which PostgreSQL always runs as one index look-up per row. For a plain join, PostgreSQL
 * could choose a nested loop over the range, because its statistics do not include new rows yet, or a hash of the whole table.
 */
export function isAtPosition(
  table: FactTable,
  { chainId }: FactRange,
  kind: ContractKind,
  position: RawBuilder<unknown>,
): RawBuilder<boolean> {
  if (table.schema === 'indexer') {
    return sql`chain_id = ${chainId}::bigint and block_number = ${position} >> 32
      and log_index = ${position} & 4294967295 and kind = ${sql.lit(kind)}`;
  }
  return sql`chain_id = ${String(chainId)} and block_number = (${position} >> 32)::numeric
    and log_index = (${position} & 4294967295) and block_hash is not null`;
}

/** Returns the condition that a fact of a table is in a range, belongs to a kind of contract, and has one of `tags`. */
export function isInRange(
  table: FactTable,
  { chainId, from, to, contracts }: FactRange,
  kind: ContractKind,
  tags?: readonly string[],
): RawBuilder<boolean> {
  const conditions = [
    table.schema === 'indexer'
      ? sql`chain_id = ${chainId}::bigint and block_number between ${from}::bigint and ${to}::bigint and kind = ${sql.lit(kind)}`
      : // Rows of a former indexer have no block hash and do not count as facts.
        sql`chain_id = ${String(chainId)} and block_number between ${from}::numeric and ${to}::numeric
          and block_hash is not null`,
  ];
  if (tags !== undefined && table.foldColumns?.tagColumn !== undefined) {
    conditions.push(sql`${sql.ref(table.foldColumns.tagColumn)} in (${sql.join(tags.map((tag) => sql.lit(tag)))})`);
  }
  if (contracts !== undefined) {
    const addresses = contracts.filter((contract) => contract.kind === kind).map(({ address }) => address);
    conditions.push(sql`${sql.ref(table.foldColumns?.addressColumn ?? 'address')} = any(${addresses}::text[])`);
  }
  return sql`${sql.join(conditions, sql` and `)}`;
}
