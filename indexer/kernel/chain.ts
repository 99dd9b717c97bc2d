/** A `0x`-prefixed, lower-case hexadecimal string. */
export type Hex = `0x${string}`;

/** Block numbers are lower: block × 2³² must fit PostgreSQL's `bigint`, because a position is block × 2³² + log index. */
export const BLOCK_NUMBER_LIMIT = 2 ** 31;

/** The number and hash of a block. */
export type BlockRef = { readonly number: number; readonly hash: Hex };

/** A block header; `timestamp` in Unix seconds. */
export type BlockHeader = BlockRef & {
  readonly parentHash: Hex;
  readonly timestamp: number;
  readonly logsBloom: Hex;
  /** Undefined where the node did not list the transactions, as in announced heads. */
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
  /** The timestamp of its block in Unix seconds, if the node gave it with the log (`blockTimestamp`, execution-apis#639). */
  readonly blockTimestamp?: number | undefined;
};

/**
 * A block range of one chain, both ends included, whose headers and logs agree with each other.
 *
 * `logs` are ordered by `(blockNumber, logIndex)`. `headers` are ordered by number. They include every block above finalized, and
 * below it at least the first block, the last block, and the blocks that hold logs without a `blockTimestamp` to rely on.
 */
export type VerifiedRange = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly headers: readonly BlockHeader[];
  readonly logs: readonly RawLog[];
  /** Whether every header of the range was read and its bloom compared with the logs. */
  readonly inFull?: boolean;
  /** The endpoints whose logs turned out to be incomplete or wrong. They were replaced by those of receipts. */
  readonly faultyEndpoints?: readonly string[];
  /** Blocks whose logs were read from receipts that neither the receipts root nor the bloom of the block proves. */
  readonly unprovedBlocks?: readonly number[];
};

/** Selects the logs of `addresses` whose first topic is one of `topics`. */
export type WatchFilter = { readonly addresses: readonly Hex[]; readonly topics: readonly Hex[] };

/** The role that a contract has on the platform. */
export type ContractKind = 'master' | 'dividend' | 'artist_token' | 'pool';

/** Returns a kind of contract as the command line spells it. */
export function kindName(kind: ContractKind): string {
  return kind.replace('_', '-');
}

/** A later ABI version of a contract, because its proxy was upgraded, and the first block whose logs it decodes. */
export type AbiUpgrade = { readonly fromBlock: number; readonly abiVersion: string };

/** An indexed contract, with the properties that decoding and committing need. */
export type Contract = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly abiVersion: string;
  /** Later ABI versions, ordered by block. `abiVersion` decodes the logs below the first of them. */
  readonly upgrades?: readonly AbiUpgrade[];
  /** Id of its row in `master_contracts`, `dividend_contracts`, `artist_tokens` or `liquidity_pools`. */
  readonly platformId: string;
  /** The master that a master or dividend contract belongs to. */
  readonly masterId: string | null;
  /** The artist token of a pool; an artist token's own id. */
  readonly artistTokenId: string | null;
};

/** ERC-20 and ERC-721 contracts mint from this address and burn to it. As a currency it stands for the native coin. */
export const ZERO_ADDRESS: Hex = '0x0000000000000000000000000000000000000000';
