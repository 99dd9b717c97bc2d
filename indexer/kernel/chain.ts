/** A `0x`-prefixed, lower-case hexadecimal string. */
export type Hex = `0x${string}`;

/** A block as far as ordering and identity go. */
export type BlockRef = { readonly number: number; readonly hash: Hex };

/** A block header; `timestamp` in Unix seconds. */
export type BlockHeader = BlockRef & {
  readonly parentHash: Hex;
  readonly timestamp: number;
  readonly logsBloom: Hex;
  /** Undefined where the node did not list the transactions, as in announced heads. */
  readonly transactionCount?: number;
};

/** A log as the node gave it, checked for shape and lower-cased, not yet decoded. */
export type RawLog = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: number;
};

/**
 * A stretch of one chain, both ends included, whose headers and logs agree with each other.
 *
 * `logs` are ordered by `(blockNumber, logIndex)`. `headers` are ordered by number: every block above finalized; below it
 * at least both ends and the blocks that hold logs.
 */
export type VerifiedRange = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly headers: readonly BlockHeader[];
  readonly logs: readonly RawLog[];
};

/** Which logs to ask for: those of `addresses` whose first topic is one of `topics`. */
export type WatchFilter = { readonly addresses: readonly Hex[]; readonly topics: readonly Hex[] };

/** What a contract is to the platform. */
export type ContractKind = 'master' | 'dividend' | 'artist_token' | 'pool';

/** A later ABI version of a contract, because its proxy was upgraded, and the first block whose logs it decodes. */
export type AbiUpgrade = { readonly fromBlock: number; readonly abiVersion: string };

/** An indexed address, as decoding and committing need to know it. */
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

/** ERC-20 and ERC-721 mint from and burn to this address; as a currency it stands for the native coin. */
export const ZERO_ADDRESS: Hex = '0x0000000000000000000000000000000000000000';
