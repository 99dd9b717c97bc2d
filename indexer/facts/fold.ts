import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../db/step.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { FactTable, StateTable } from './fact-table.ts';

/**
 * A stretch of one chain, both ends included, whose facts a commit has just written or an unwind is about to take away. `contracts`
 * limits it to the facts of some contracts.
 */
export type FactRange = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly contracts?: readonly { readonly address: Hex; readonly kind: ContractKind }[];
  /** Whether all steps are sent at once, so that a step whose rows need a follow-up step must refuse instead. */
  readonly batched?: boolean;
};

/** The facts that a fold reads: of one table, with some of its tags or with any. */
export type Reading = { readonly table: FactTable; readonly tags?: readonly string[] };

/**
 * A rule that keeps state equal to the facts.
 *
 * The steps of `apply` run after the range's facts were written, those of `unwind` before they are deleted, both in the
 * commit's transaction. Any number of ranges may be applied in any order; `unwind` of a range that ends at the head restores
 * every row that `apply` of it touched.
 */
export type Fold = {
  readonly name: string;
  /** A range without any of these facts is not folded. */
  readonly reads: Reading;
  /** The tables of state whose rows it writes. Rows that several folds write are locked before the first of them. */
  readonly writes: readonly StateTable[];
  apply(range: FactRange): readonly Step[];
  unwind(range: FactRange): readonly Step[];
};

/** Returns a column that aborts a batched execution when a follow-up step is needed. */
export function refuseIfBatched({ batched }: FactRange): RawBuilder<unknown> {
  return batched ? sql`indexer.refuse()` : sql`true`;
}

/** A value larger than any position, for "none yet" where an earliest is sought. */
export const NO_POSITION = sql`9223372036854775807::bigint`;

/** Returns the first position at or after a block's start: block × 2³², as facts compute it. */
export function positionOf(block: number): RawBuilder<bigint> {
  return sql`(${block}::bigint * 4294967296)`;
}

/**
 * Returns the condition that a fact of a table is the one at a position, in the columns of the table's unique index.
 *
 * For `lateral (select … where … limit 1)`, which PostgreSQL can only run as one look-up per row. A join may become a nested loop
 * over the range, since the planner knows nothing of rows that were not analyzed yet, or a hash of the whole table.
 */
export function isAt(
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

/** Returns the condition that a fact of a table is in a range and of a kind of contract, with one of some tags. */
export function within(
  table: FactTable,
  { chainId, from, to, contracts }: FactRange,
  kind: ContractKind,
  tags?: readonly string[],
): RawBuilder<boolean> {
  const conditions = [
    table.schema === 'indexer'
      ? sql`chain_id = ${chainId}::bigint and block_number between ${from}::bigint and ${to}::bigint and kind = ${sql.lit(kind)}`
      : // Rows of a former indexer have no block hash and are no facts.
        sql`chain_id = ${String(chainId)} and block_number between ${from}::numeric and ${to}::numeric
          and block_hash is not null`,
  ];
  if (tags !== undefined && table.reading?.tagColumn !== undefined) {
    conditions.push(sql`${sql.ref(table.reading.tagColumn)} in (${sql.join(tags.map((tag) => sql.lit(tag)))})`);
  }
  if (contracts !== undefined) {
    const addresses = contracts.filter((contract) => contract.kind === kind).map(({ address }) => address);
    conditions.push(sql`${sql.ref(table.reading?.addressColumn ?? 'address')} = any(${addresses}::text[])`);
  }
  return sql`${sql.join(conditions, sql` and `)}`;
}
