import type { ContractKind } from '../kernel/chain.ts';
import type { FactLists } from '../protocols/shared/decoded-batch.ts';

/**
 * What the writer, unwind, digest and purge need to know of a table of facts. Each has the columns `chain_id`,
 * `block_number`, `block_hash`, `log_index` and `tx_hash`.
 */
export type FactTable = {
  /** The batch's list that goes into it. */
  readonly list: keyof FactLists;
  readonly schema: 'public' | 'indexer';
  readonly name: string;
  /** `chain_id` is a decimal string in `public` and a `bigint` in `indexer`. */
  readonly chainIdType: 'text' | 'bigint';
  /** Null in `dividend_claims`, which names its contract by `dividend_contract_id` alone. */
  readonly addressColumn: 'contract_address' | 'pool_address' | 'address' | null;
  /** Null where the table is no input of a fold. */
  readonly positionColumn: 'position' | null;
  /** The kind of contract whose facts alone it holds, or the column that tells; `dead_letters` knows neither. */
  readonly kind: ContractKind | { readonly column: string } | null;
  /** The natural key: unique, and the same in every database that saw the chain. */
  readonly key: readonly string[];
  /** What `lines` writes, in order, and the types; the other columns have defaults, are generated, or are the platform's. */
  readonly columns: Readonly<Record<string, string>>;
  /** What kinds of fact a batch holds, where folds tell them apart. */
  readonly tagsOf?: (batch: FactLists) => ReadonlySet<string>;
  /** The facts of a batch, in order, as lines of `COPY … FROM STDIN` in text format without their newline. */
  readonly lines: (batch: FactLists) => Iterable<string>;
};
