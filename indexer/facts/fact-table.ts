import type { FactLists } from '../decode/decoded-batch.ts';
import type { ContractKind } from '../kernel/chain.ts';

/**
 * What unwind, digest, purge and the writer need to know of a table of facts. Every one has the columns `chain_id`,
 * `block_number`, `block_hash`, `log_index` and, except `dead_letters`, `position`.
 */
export type FactTable = {
  /** The batch's list that goes into it. */
  readonly list: keyof FactLists;
  readonly schema: 'public' | 'indexer';
  readonly name: string;
  /** `chain_id` is a decimal string in `public` and a `bigint` in `indexer`. */
  readonly chainIdType: 'text' | 'bigint';
  readonly addressColumn: 'contract_address' | 'pool_address' | 'address';
  /** Null where the table is no input of a fold. */
  readonly positionColumn: 'position' | null;
  /** The only kind of contract whose facts it holds, or the column that tells the kind, or null: of any kind, untold. */
  readonly kind: ContractKind | null;
  readonly kindColumn: 'kind' | null;
  /** The natural key: unique, and the same in every database that saw the chain. */
  readonly key: readonly string[];
  /** What `lines` writes, in order; the rest are defaults, generated, or the platform's. */
  readonly columns: readonly string[];
  /** The facts of a batch as lines of `COPY … FROM STDIN` in text format, without the newline. */
  readonly lines: (batch: FactLists) => string[];
};
