import type { RawBuilder, SelectQueryBuilder } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Step } from '../db/step.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { Origin } from './origin.ts';

/** A contract of the registry. `platformId` is the id of the platform's row for it. */
export type RegisteredRow = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly platformId: string;
};

/** The part of a table that `indexer digest` reads, as SQL. The texts are constants of the program, because they are not escaped. */
export type DigestRows = {
  /** The text after `from`: the table, and a condition that selects the rows to digest. */
  readonly rows: string;
  /**
   * The natural key and the columns that are derived from the chain, as SQL expressions. Surrogate ids, bookkeeping columns and
   * columns of the platform are left out.
   */
  readonly columns: readonly string[];
};

/** The properties that tables of facts and tables of state have in common. */
export type TableDescription = {
  readonly schema: 'public' | 'indexer';
  readonly name: string;
  readonly digest: DigestRows;
  /** The columns by which the program looks up rows. `ANALYZE` runs on these columns while the table grows. Empty for small tables. */
  readonly statistics: readonly string[];
  /** Indexes that only readers of the mirror use. An initial load drops them at its beginning and builds them again at its end. */
  readonly readersIndexes: readonly string[];
};

/**
 * A table of facts. It is append-only and has one row for each decoded log of the canonical chain, or several rows for a log that
 * names several tokens. All code that writes, unwinds, purges, digests or analyzes facts, prepares contracts or defers indexes uses
 * this description alone.
 *
 * Each table has the columns `chain_id`, `block_number`, `block_hash`, `log_index` and `tx_hash`.
 */
export type FactTable<Fact extends Origin = Origin> = TableDescription & {
  /** The type of `chain_id`, which is a decimal string in `public` and a `bigint` in `indexer`. */
  readonly chainIdType: 'text' | 'bigint';
  /** The kind of contract whose facts the table holds. Null if it holds facts of several kinds. */
  readonly kind: ContractKind | null;
  /** The natural key. It is unique, and the same in every database that indexed the chain. */
  readonly key: readonly string[];
  /** The columns that `lines` writes, in order, with their types. Other columns are generated, have defaults or belong to the platform. */
  readonly columns: Readonly<Record<string, string>>;
  /** The columns by which folds select facts. Undefined for a table that no fold reads. */
  readonly foldColumns?: {
    /** The column with the address of the contract that emitted the fact. */
    readonly addressColumn: string;
    /** The column with the tag of the fact (see `tagOf`). Undefined if the table has no such column. */
    readonly tagColumn?: string;
  };
  /** Whether foreign keys of the facts refer to rows of state that a fold inserts only after the facts were written. */
  readonly defersConstraints?: boolean;
  /** How to find the facts that the platform's former indexer left in the table. These rows have no block hash. */
  readonly former?: FormerRows;
  /**
   * How to find the facts of a contract after the platform deleted its row of the contract: by `address` and the column with the kind of
   * contract, or by the column with the id of the deleted row. Needed where no foreign key deletes the facts together with the row.
   */
  readonly orphans?: { readonly kindColumn: string } | { readonly idColumn: string };
  /** Returns the condition that a row belongs to a contract. */
  rowsOf(contract: RegisteredRow): RawBuilder<boolean>;
  /** Returns the tag of a fact, such as `mint` or the name of its event. A fold that needs only some facts selects them by their tags. */
  tagOf?(fact: Fact): string;
  /** Returns the number of rows that `lines` yields for a fact. Undefined if the number is one for every fact. */
  rowCount?(fact: Fact): number;
  /** Yields each row of each fact as a line of `COPY … FROM STDIN` in text format, without its newline. Keeps the order of the facts. */
  lines(facts: readonly Fact[]): Iterable<string>;
};

/** Describes how to find the rows that the platform's former indexer left in a table. Their addresses may be in checksum case. */
export type FormerRows = {
  /** Returns the condition that a former row belongs to any of several contracts. */
  isOfAny(addresses: readonly Hex[], platformIds: readonly string[]): RawBuilder<boolean>;
  /** The condition that a former row belongs to a row of `indexer.contracts`, for which the SQL has the alias `contract`. */
  readonly isOfContract: RawBuilder<boolean>;
  /**
   * The column in which the platform stored the id of one of its own rows. The id is copied from the former row to the verified fact that
   * replaces it.
   */
  readonly link?: string;
};

/** A query for the platform ids of some contracts. */
export type PlatformIdQuery = SelectQueryBuilder<DB, 'indexer.contracts', { platform_id: string }>;

/**
 * Describes the rows that a table of state must hold according to the facts of one contract. `indexer verify` compares them with the
 * stored rows.
 */
export type ExpectedRows = {
  /** The number of leading columns of the digest that form the key. */
  readonly keyColumns: number;
  /**
   * Returns the SQL condition that a row belongs to a contract. In it, the columns of the digest have the names `c0`, `c1` and so on.
   * Default: `c0` is the contract's chain and `c1` its address.
   */
  belongsTo?(contract: RegisteredRow): RawBuilder<boolean>;
  /** The rows and columns to compare instead of those of the digest. The query of the method `rows` then returns these columns. */
  readonly compared?: { readonly rows: RawBuilder<unknown>; readonly columns: readonly string[] };
  /** Returns a query for the rows, with the columns of the digest in their order. */
  rows(contract: RegisteredRow): RawBuilder<unknown>;
};

/**
 * A table of state, which folds derive from facts. When a contract is first followed, the rows of the contract are reset to the values that
 * they have without any facts. When a contract is purged, its rows are deleted.
 */
export type StateTable = TableDescription & {
  readonly kind: ContractKind;
  /** Every commit locks the rows in the order of this column, which prevents deadlocks. Undefined if only one fold writes the rows. */
  readonly lockOrder?: string;
  /** Returns the steps that reset the rows of contracts to the values that they have without any facts. */
  reset?(contracts: PlatformIdQuery): readonly Step[];
  /** Returns the statements that delete a contract's rows and the rows that depend on them, in the order that foreign keys need. */
  deleteRows?(contract: RegisteredRow): readonly RawBuilder<unknown>[];
  /** The rows that the table must hold according to a contract's facts. Their SQL is written independently of the folds. */
  readonly expected: ExpectedRows;
  /** Whether the rows are those in which the platform registers contracts. A purge then clears their columns `last_indexed_*`. */
  readonly isPlatformRow?: boolean;
};
