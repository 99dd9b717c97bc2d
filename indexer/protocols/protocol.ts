import type { FactLists } from '../facts/fact-lists.ts';
import type { FactTable, StateTable } from '../facts/fact-table.ts';
import type { Fold } from '../facts/fold.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { IndexerError } from '../kernel/errors.ts';
import type { ChainReader } from './shared/chain-reader.ts';
import type { EventDecoder } from './shared/decoder.ts';
import type { Contradictions } from './shared/sweep-rule.ts';

/**
 * The events, tables and folds of one kind of contract in one version. All code that is specific to a protocol is in its folder. The
 * rest of the program loops over the list in `protocols.ts` and names no protocol.
 */
export type Protocol = {
  /** The name that operators see, for example `uniswap-v2`. */
  readonly name: string;
  /** The ABI version, as in the column `abi_version` of a contract. */
  readonly version: string;
  readonly kind: ContractKind;
  /** The values of the column `pool_type` whose pools use this protocol. Only for pools. */
  readonly poolTypes?: readonly string[];
  /** The events to request, by first topic. */
  readonly events: ReadonlyMap<Hex, EventDecoder>;
  /** Completes the facts of a range after all its logs were decoded. */
  readonly finish?: (facts: FactLists) => void;
  readonly factTables: readonly FactTable[];
  readonly stateTables: readonly StateTable[];
  /** The folds in the order in which a commit applies them. Folds that write many rows come before folds that write contracts' rows. */
  readonly folds: readonly Fold[];
  /** The rules that the facts of one contract obey if none is missing. */
  readonly contradictions?: Contradictions;
  /**
   * Reads properties of a contract from the chain that no event reports. Called once per contract.
   *
   * @throws {NotThisProtocol} if the contract does not implement the protocol. The message says what it seems to be.
   */
  readonly identify?: (reader: ChainReader, address: Hex, signal: AbortSignal) => Promise<Identity>;
};

/** Columns of the platform's row with values that the contract reports of itself. An empty text or null leaves a column unchanged. */
export type Identity = Readonly<Record<string, string | null>>;

/** A contract does not implement the protocol with which it was registered. */
export class NotThisProtocol extends IndexerError {
  override readonly name = 'NotThisProtocol';
  /** The properties that the contract reports nevertheless. */
  readonly identity: Identity;
  /** The value of `pool_type` that would fit the contract. Undefined if none is known. */
  readonly poolType: string | undefined;

  constructor(message: string, identity: Identity = {}, poolType?: string) {
    super(message);
    this.identity = identity;
    this.poolType = poolType;
  }
}
