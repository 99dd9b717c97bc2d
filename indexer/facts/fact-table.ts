import type { RawBuilder } from 'kysely';
import type { Step } from '../db/step.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { Origin } from './origin.ts';

/** A contract of the registry and the platform's row that it is known by. */
export type RegisteredRow = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly platformId: string;
};

/** What `indexer digest` reads of a table. Text of the program, never input. */
export type DigestRows = {
  /** Everything behind `from`: the table with the rows that count. */
  readonly rows: string;
  /** Natural key and columns derived from the chain, as SQL expressions: no surrogate id, no bookkeeping, no column of the platform. */
  readonly columns: readonly string[];
};

/** Properties that tables of facts and tables of state share. */
export type TableDescription = {
  readonly schema: 'public' | 'indexer';
  readonly name: string;
  readonly digest: DigestRows;
  /** Columns by which the program's statements look rows up, kept analyzed while the table grows. Empty for small tables. */
  readonly statistics: readonly string[];
  /** Indexes that only readers use. An initial load drops them and builds them at its end. */
  readonly readersIndexes: readonly string[];
};

/**
 * A table of facts: append-only, one row per decoded log of the canonical chain (or per part of one). The writer, unwind, purge,
 * prepare, digest, analyze and deferred indexes know no more of a table than this.
 *
 * Each table has the columns `chain_id`, `block_number`, `block_hash`, `log_index` and `tx_hash`.
 */
export type FactTable<Fact extends Origin = Origin> = TableDescription & {
  /** `chain_id` is a decimal string in `public` and a `bigint` in `indexer`. */
  readonly chainIdType: 'text' | 'bigint';
  /** The kind of contract whose facts it holds; null where it holds facts of several kinds. */
  readonly kind: ContractKind | null;
  /** The natural key: unique, and the same in every database that saw the chain. */
  readonly key: readonly string[];
  /** The columns that `lines` writes, in order, with their types. Other columns have defaults, are generated, or are the platform's. */
  readonly columns: Readonly<Record<string, string>>;
  /** What folds read it by; undefined for a table that no fold reads. */
  readonly reading?: {
    /** Holds the address of the contract that emitted the fact. */
    readonly addressColumn: string;
    /** Holds the tag of a fact, where the table has one. */
    readonly tagColumn?: string;
  };
  /** Whether its rows may be written before the state that their foreign keys name. */
  readonly defersConstraints?: boolean;
  /** Facts that the platform's former indexer left: rows without a block hash. */
  readonly former?: FormerRows;
  /**
   * How rows are found that outlived the platform's row of a contract, since no foreign key deletes them: by `address` and the column
   * of the kind, or by the column that holds the id of the former row.
   */
  readonly orphans?: { readonly kindColumn: string } | { readonly idColumn: string };
  /** The condition that a row is of a contract. */
  rowsOf(contract: RegisteredRow): RawBuilder<boolean>;
  /** Returns what folds tell this table's facts apart by. */
  tagOf?(fact: Fact): string;
  /** Yields facts, in order, as lines of `COPY … FROM STDIN` in text format without their newline. */
  lines(facts: readonly Fact[]): Iterable<string>;
};

/** How facts of a former indexer are found. Addresses may be in checksum case there. */
export type FormerRows = {
  /** The condition that a former row is of one of several contracts. */
  isOfAny(addresses: readonly Hex[], platformIds: readonly string[]): RawBuilder<boolean>;
  /** The condition that a former row is of the contract in the row `contract` of `indexer.contracts`. */
  readonly isOfContract: RawBuilder<boolean>;
  /** A column in which the platform attached a row of its own to the fact, which moves to the verified fact. */
  readonly link?: string;
};

/**
 * A table of state: derived from facts by folds. The rows of a contract are set back to the state of no facts when it is first
 * followed, and deleted when it is purged.
 */
export type StateTable = TableDescription & {
  readonly kind: ContractKind;
  /** The column in whose order every writer locks rows that several folds write; undefined where one fold alone writes them. */
  readonly lockOrder?: string;
  /**
   * Returns the steps that set rows to the state of no facts.
   *
   * @param contracts a query for the platform ids of the contracts concerned
   */
  reset?(contracts: RawBuilder<unknown>): readonly Step[];
  /** Returns the statements that delete a contract's rows and what depends on them, in the order that foreign keys need. */
  deleteRows?(contract: RegisteredRow): readonly RawBuilder<unknown>[];
  /** Whether it is the platform's own row of a contract, whose bookkeeping (`last_indexed_*`) a purge clears. */
  readonly isPlatformRow?: boolean;
};
