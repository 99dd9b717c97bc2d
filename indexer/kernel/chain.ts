/** A `0x`-prefixed, lower-case hexadecimal string. */
export type Hex = `0x${string}`;

/** All block numbers are below this limit, because a log's position, block × 2³² + log index, must fit PostgreSQL's `bigint`. */
export const BLOCK_NUMBER_LIMIT = 2 ** 31;

/** The number and hash of a block. */
export type BlockRef = { readonly number: number; readonly hash: Hex };

/** A block header; `timestamp` in Unix seconds. */
export type BlockHeader = BlockRef & {
  readonly parentHash: Hex;
  readonly timestamp: number;
  readonly logsBloom: Hex;
  /** The number of transactions in the block. Undefined if the node did not list them, as in the headers that a subscription sends. */
  readonly transactionCount?: number;
};

/** A log from a node's answer, not yet decoded. Its shape was checked, and its hexadecimal values are in lower case. */
export type RawLog = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: number;
  /** The timestamp of the log's block in Unix seconds, if the node returned it with the log (`blockTimestamp`, execution-apis#639). */
  readonly blockTimestamp?: number | undefined;
};

/**
 * A block range of one chain, both ends included, whose headers and logs agree with each other.
 *
 * `logs` are ordered by `(blockNumber, logIndex)`. `headers` are ordered by number. They include every block of the range above the
 * finalized block. Of the blocks at or below the finalized block, they include at least the first and the last block of the range, and the
 * blocks with logs that have no reliable `blockTimestamp`.
 */
export type VerifiedRange = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly headers: readonly BlockHeader[];
  readonly logs: readonly RawLog[];
  /**
   * Whether every header of the range was read and its bloom compared with the logs. False above the finalized block if another endpoint is
   * to confirm the logs later (`SourceOptions.logsAreConfirmedLater`). Below it, see `unconfirmedBlocks`.
   */
  readonly inFull?: boolean;
  /** The names of endpoints that gave incomplete or wrong logs. Instead of their logs, `logs` holds those of the receipts. */
  readonly faultyEndpoints?: readonly string[];
  /** Blocks whose logs were read from receipts that neither the receipts root nor the bloom of the block proves. */
  readonly unprovedBlocks?: readonly number[];
  /**
   * Below the finalized block, on a chain with several endpoints: the blocks whose logs neither another endpoint nor receipts that a root
   * proves have confirmed. The other endpoints did not answer in time, serve fewer blocks at once, or gave other logs.
   */
  readonly unconfirmedBlocks?: readonly number[];
  /** Below the finalized block: whether another endpoint gave the same logs of at least one block with logs. */
  readonly otherConfirmed?: boolean;
  /** Whether some of `unconfirmedBlocks` were not compared because the other endpoint serves fewer blocks at once. */
  readonly comparedInPart?: boolean;
};

/** Selects the logs of `addresses` whose first topic is one of `topics`. */
export type WatchFilter = { readonly addresses: readonly Hex[]; readonly topics: readonly Hex[] };

/** The role that a contract has on the platform. */
export type ContractKind = 'master' | 'dividend' | 'artist_token' | 'pool';

/** Returns a kind of contract as the command line spells it. */
export function kindName(kind: ContractKind): string {
  return kind.replace('_', '-');
}

/** An ABI version that decodes the logs of a contract from `fromBlock` on, because the contract's proxy was upgraded. */
export type AbiUpgrade = { readonly fromBlock: number; readonly abiVersion: string };

/** An indexed contract, with the properties that decoding and committing need. */
export type Contract = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly abiVersion: string;
  /** Later ABI versions, ordered by block. `abiVersion` decodes the logs of the blocks before the first upgrade. */
  readonly upgrades?: readonly AbiUpgrade[];
  /** Id of the contract's row in `master_contracts`, `dividend_contracts`, `artist_tokens` or `liquidity_pools`. */
  readonly platformId: string;
  /** Id of the row in `masters` that a master or dividend contract belongs to. */
  readonly masterId: string | null;
  /** Id of a row in `artist_tokens`: for a pool, the token that it trades; for an artist token, its own row. */
  readonly artistTokenId: string | null;
};

/** ERC-20 and ERC-721 contracts mint from this address and burn to it. As a currency, it means the native coin of the chain. */
export const ZERO_ADDRESS: Hex = '0x0000000000000000000000000000000000000000';
