import { type RawBuilder, sql } from 'kysely';
import type { Step } from '../../db/step.ts';
import type { ContractKind, Hex } from '../../kernel/chain.ts';

/** What a fold reads: a list of facts, by the name that a decoded batch gives it, and which of them where not all. */
export type Reading = {
  readonly list: 'nftTransfers' | 'tokenTransfers' | 'dividendEvents' | 'contractEvents';
  readonly tags?: readonly string[];
};

/**
 * A stretch of one chain, both ends included, whose facts a commit has just written or is about to take away.
 * `contracts` names those whose facts are meant where that is not everyone's.
 */
export type FactRange = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly contracts?: readonly { readonly address: Hex; readonly kind: ContractKind }[];
  /** All steps run together: one whose rows would call for more refuses instead. */
  readonly together?: boolean;
};

/** In the place of a column: rows call for more steps. */
export function callsForMore({ together }: FactRange): RawBuilder<unknown> {
  return together ? sql`indexer.refuse()` : sql`true`;
}

/**
 * A rule that keeps state equal to the facts.
 *
 * The steps of `apply` run after the range's facts were written, those of `unwind` before they are deleted, both in the
 * commit's transaction. Any number of ranges may be applied in any order; `unwind` of a range that ends at the head restores
 * every row that `apply` of it touched.
 */
export type Fold = {
  readonly name: string;
  /** What it reads; it is not applied to a range that brought none of these. */
  readonly reads: Reading;
  apply(range: FactRange): readonly Step[];
  unwind(range: FactRange): readonly Step[];
};

/** Larger than any position; stands for "none yet" where an earliest is sought. */
export const NO_POSITION = sql`9223372036854775807::bigint`;

/** The first position at or after a block's start: block × 2³², as facts compute it. */
export function positionOf(block: number): RawBuilder<bigint> {
  return sql`(${block}::bigint * 4294967296)`;
}

/**
 * Whether a fact of `public` is the one at a position, in the columns of its table's unique index.
 *
 * For `lateral (select … where … limit 1)`, which PostgreSQL can only run as one look-up for each row. A join it may run as a
 * nested loop over the range, since it knows nothing of rows that no `analyze` has seen, or as a hash of the whole table.
 */
export function isAt({ chainId }: FactRange, position: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`chain_id = ${String(chainId)} and block_number = (${position} >> 32)::numeric
    and log_index = (${position} & 4294967295) and block_hash is not null`;
}

/** The facts of a range (rows of a former indexer, which have no block hash, are none) in a table of `public` that holds those of one kind of contract; an address may be of several. */
export function within({ chainId, from, to, contracts }: FactRange, kind: ContractKind): RawBuilder<boolean> {
  const stretch = sql`chain_id = ${String(chainId)} and block_number between ${from}::numeric and ${to}::numeric
    and block_hash is not null`;
  if (contracts === undefined) return sql`${stretch}`;
  return sql`${stretch} and contract_address = any(${addressesOf(contracts, kind)}::text[])`;
}

/** The facts of a range among `indexer.contract_events`, of one kind of contract and some of its events. */
export function eventsWithin(
  { chainId, from, to, contracts }: FactRange,
  kind: ContractKind,
  event: string,
): RawBuilder<boolean> {
  const stretch = sql`chain_id = ${chainId}::bigint and block_number between ${from}::bigint and ${to}::bigint
    and kind = ${kind} and event = ${event}`;
  if (contracts === undefined) return sql`${stretch}`;
  return sql`${stretch} and address = any(${addressesOf(contracts, kind)}::text[])`;
}

function addressesOf(contracts: NonNullable<FactRange['contracts']>, kind: ContractKind): readonly Hex[] {
  return contracts.filter((contract) => contract.kind === kind).map(({ address }) => address);
}
