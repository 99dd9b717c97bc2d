import type { BlockHeader, BlockRef, Hex, RawLog, VerifiedRange, WatchFilter } from '../kernel/chain.ts';

/** What to read. Both ends are included; `from === to` is one block. */
export type RangeRequest = {
  readonly from: number;
  readonly to: number;
  /** Above finalized: every header is read and linked by parent hash, and logs are asked by block hash. */
  readonly strict: boolean;
  /** Which logs; where it names no address or no topic, only headers are read. */
  readonly watch: WatchFilter;
  /** The block below `from` that the range must link to (strict only); another parent is an `RpcInconsistency`. */
  readonly anchor?: BlockRef | undefined;
  /** The block at `to` as the caller knows it: an endpoint that has another block there is passed over. */
  readonly tip?: BlockRef | undefined;
  /** Not strict only: the answer may end before `to` once it holds this many logs (look at the range's own `to`). */
  readonly maxLogs?: number | undefined;
};

/** What a dividend claim needs of its transaction: fees, and the logs that show the payment. */
export type Receipt = {
  readonly gasUsed: bigint;
  /** In wei; null on chains that do not say. */
  readonly effectiveGasPrice: bigint | null;
  readonly logs: readonly RawLog[];
};

/** One endpoint's answer about a height. */
export type Witness = { readonly endpoint: string; readonly header: BlockHeader | undefined };

/** What happens inside the source that an operator may want to see; nothing in it holds a secret. */
export type SourceNotice = {
  readonly event:
    | 'endpoint failed'
    | 'endpoint recovered'
    | 'endpoint refused'
    | 'range narrowed'
    | 'inconsistent'
    | 'subscription lost'
    | 'subscribed';
  /** Host and index of the endpoint, as in `rpc.example.org#0`. */
  readonly endpoint: string;
  readonly detail: string;
};

/**
 * One chain as its endpoints tell it, believed only where the answers agree.
 *
 * Every method tries the endpoints in turn with backoff and jitter, a bounded number of times, and throws `RpcError` (see
 * its `kind`), `RpcInconsistency`, or `Aborted` once the signal aborts.
 */
export type Source = {
  readonly chainId: number;
  /** Names (host and index) of the endpoints in use, without those that were refused. */
  endpoints(): readonly string[];
  /** Asks every endpoint for its chain id. Throws `ConfigError` where one answers another; unreachable ones are asked later. */
  checkChainId(signal?: AbortSignal): Promise<void>;
  /** The newest block. */
  head(signal?: AbortSignal): Promise<BlockHeader>;
  /** The block at a height; undefined where no endpoint has it. */
  header(number: number, signal?: AbortSignal): Promise<BlockHeader | undefined>;
  /** The block of a hash; undefined where no endpoint has it (any longer). */
  headerByHash(hash: Hex, signal?: AbortSignal): Promise<BlockHeader | undefined>;
  /** The lowest finalized block of the endpoints; undefined where none serves the tag. */
  finalized(signal?: AbortSignal): Promise<number | undefined>;
  /** What each endpoint that answers has at a height. Throws when none answers. */
  witnesses(number: number, signal?: AbortSignal): Promise<readonly Witness[]>;
  /** Headers and logs that agree with each other, all from one endpoint. */
  fetchRange(request: RangeRequest, signal?: AbortSignal): Promise<VerifiedRange>;
  /** The receipt of a transaction in the named block. Throws `RpcError` `unknown-block` where it is in another or in none. */
  receipt(transactionHash: Hex, blockHash: Hex, signal?: AbortSignal): Promise<Receipt>;
  /**
   * `eth_call`, at a block or at the newest. A revert, and an answer larger than `MAX_CALL_BYTES`, is an `RpcError` of kind
   * `rejected`.
   */
  call(to: Hex, data: Hex, blockNumber?: number, signal?: AbortSignal): Promise<Hex>;
  /** Whether there is code at the address as of the block. Throws `RpcError` `pruned` where no endpoint has that state. */
  codeAt(address: Hex, blockNumber: number, signal?: AbortSignal): Promise<boolean>;
  /**
   * New heads as they come: by subscription over WebSocket, else by polling. Never ends by itself and never throws for a
   * failing endpoint; ends when the signal aborts. A slow reader sees the newest head only. Begins with the current head.
   */
  heads(signal: AbortSignal): AsyncIterable<BlockHeader>;
  /** Closes sockets. The source cannot be used afterwards. */
  close(): void;
};

/** Settings of a source; times in milliseconds. Only `chainId` and `urls` are required. */
export type SourceOptions = {
  readonly chainId: number;
  /** `http(s)://` or `ws(s)://`; the first is preferred. */
  readonly urls: readonly string[];
  readonly requestTimeoutMs?: number | undefined;
  readonly pollIntervalMs?: number | undefined;
  /** A subscription that is silent for so long is doubted: the head is polled. */
  readonly headSilenceMs?: number | undefined;
  /** How often a request is tried over all endpoints before its error is thrown. */
  readonly attempts?: number | undefined;
  /** Requests in flight per endpoint. */
  readonly concurrency?: number | undefined;
  /** Blocks of the first `eth_getLogs`; adapts from there. */
  readonly initialSpan?: number | undefined;
};

/** What a test may replace. */
export type SourceDeps = {
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  readonly notice?: ((notice: SourceNotice) => void) | undefined;
};
