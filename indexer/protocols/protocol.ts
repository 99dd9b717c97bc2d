import type { FactLists } from '../facts/fact-lists.ts';
import type { FactTable, StateTable } from '../facts/fact-table.ts';
import type { Fold } from '../facts/fold.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { IndexerError } from '../kernel/errors.ts';
import type { ChainReader } from './shared/chain-reader.ts';
import type { EventDecoder } from './shared/decoder.ts';

/**
 * What one kind of contract speaks, in one version. Everything that the program knows about it stands in its folder. The rest of
 * the program loops over the list in `protocols.ts` and names none of them.
 */
export type Protocol = {
  /** As shown to operators, for example `uniswap-v2`. */
  readonly name: string;
  /** The version of its ABI, as `abi_version` of a contract names it. */
  readonly version: string;
  readonly kind: ContractKind;
  /** The types of pool, as the catalogue names them, that speak it. Only for pools. */
  readonly poolTypes?: readonly string[];
  /** The events to ask for, by first topic. */
  readonly events: ReadonlyMap<Hex, EventDecoder>;
  /** Completes the facts of a range once all its logs are decoded. */
  readonly finish?: (facts: FactLists) => void;
  readonly factTables: readonly FactTable[];
  readonly stateTables: readonly StateTable[];
  /** In the order in which a commit applies them: rows of which there are many first, rows of whole contracts last. */
  readonly folds: readonly Fold[];
  /**
   * Reads from the chain, once, what no event tells.
   *
   * @throws {NotThisProtocol} when the contract does not speak it; the message says what it seems to be
   */
  readonly identify?: (reader: ChainReader, address: Hex, signal: AbortSignal) => Promise<Identity>;
};

/** Columns of the platform's row that mirror what a contract says of itself. An empty text or null leaves a column as it is. */
export type Identity = Readonly<Record<string, string | null>>;

/** A contract does not speak the protocol that it was registered with. */
export class NotThisProtocol extends IndexerError {
  override readonly name = 'NotThisProtocol';
  /** What it says of itself all the same. */
  readonly identity: Identity;
  /** The type of pool that it seems to be, as the catalogue names it. */
  readonly poolType: string | undefined;

  constructor(message: string, identity: Identity = {}, poolType?: string) {
    super(message);
    this.identity = identity;
    this.poolType = poolType;
  }
}
