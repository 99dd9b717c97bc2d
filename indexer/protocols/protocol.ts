import type { FactLists } from '../facts/fact-lists.ts';
import type { FactTable, StateTable } from '../facts/fact-table.ts';
import type { Fold } from '../facts/fold.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { ChainReader } from './shared/chain-reader.ts';
import type { EventDecoder } from './shared/decoder.ts';
import type { Contradictions } from './shared/sweep-rule.ts';
import type { Verification } from './shared/verification.ts';

/**
 * The events, tables and folds (rules that derive state from facts) of one kind of contract in one ABI version. The code that is specific
 * to a protocol is in the folder of the protocol. The rest of the program loops over the list in `protocols.ts`, except the stages and a
 * few functions about dividends, revenue and IPOs, which import from these folders.
 */
export type Protocol = {
  /** The name that operators see, for example `uniswap-v2`. */
  readonly name: string;
  /** The ABI version, as in the column `abi_version` of a contract. */
  readonly version: string;
  readonly kind: ContractKind;
  /** The values of the platform's column `pool_type` for which a pool uses this protocol. Undefined if the protocol is not for pools. */
  readonly poolTypes?: readonly string[];
  /** The events to request, by first topic. */
  readonly events: ReadonlyMap<Hex, EventDecoder>;
  /** Completes the facts of a block range after all its logs were decoded, for example with values from other logs. */
  readonly finish?: (facts: FactLists) => void;
  readonly factTables: readonly FactTable[];
  readonly stateTables: readonly StateTable[];
  /** The folds in the order in which a commit applies them. Folds that write many rows come before folds that write the platform's rows. */
  readonly folds: readonly Fold[];
  /** The rules that the facts of one contract obey if no fact is missing. */
  readonly contradictions?: Contradictions;
  /** How `indexer verify` compares the stored facts of contracts with the chain, and which rules it checks for stored rows. */
  readonly verification: Verification;
  /**
   * Reads properties of a contract that no event reports, and finds out whether the contract implements the protocol. Undefined if the
   * protocol has nothing to read or check.
   */
  readonly identify?: (reader: ChainReader, address: Hex, signal: AbortSignal) => Promise<Identity>;
};

/** What a contract reports about itself, and whether it implements a protocol. */
export type Identity = {
  /** Columns of the platform's row with values that the contract reports. An empty text or null leaves a column unchanged. */
  readonly columns: Readonly<Record<string, string | null>>;
  /**
   * Whether the contract implements the protocol. False only if the contract gives answers that no contract of the protocol gives. Such a
   * contract is quarantined, which means that it is not indexed. Null if the answers do not decide it.
   */
  readonly speaks: boolean | null;
  /** What the contract is instead, or which answers it lacks, as the rest of a sentence about it. Null if there is nothing to report. */
  readonly note: string | null;
  /** For a pool of another protocol: the value of the platform's column `pool_type` that would fit, if it is known. */
  readonly poolType?: string;
};

/** Returns the name and version of a protocol. The database stores this text to record against which protocol a contract was checked. */
export function protocolKey({ name, version }: Protocol): string {
  return `${name} ${version}`;
}
