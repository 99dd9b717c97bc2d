import type { BlockHeader, Hex, VerifiedRange } from '../kernel/chain.ts';
import { Aborted, ConfigError, RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { createEndpoint } from '../rpc/endpoint.ts';
import { createPeer, type Peer, type SourceNotice } from '../rpc/peer.ts';
import { createPool, type Pool } from '../rpc/pool.ts';
import { hexOf, readHeader, requireHeader } from './headers.ts';
import { createHeadReader, followHeads } from './heads.ts';
import { createRangeReader, type RangeRequest } from './range.ts';
import { type Receipt, readReceipt } from './receipts.ts';
import { parseHeader } from './verify.ts';

/** One endpoint's answer about a height. */
export type Witness = { readonly endpoint: string; readonly header: BlockHeader | undefined };

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
   * `eth_call`, at a block or at the newest. A revert, and an answer larger than 4 MiB, is an `RpcError` of kind
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

export type { RangeRequest };

/** An `eth_call` that answers more is refused; the largest names that tokens were seen to answer have 1 MB. */
const MAX_CALL_BYTES = 4 * 1024 * 1024;

const REQUEST_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 1_000;
const HEAD_SILENCE_MS = 10_000;
const ATTEMPTS = 3;
const CONCURRENCY = 16;
const INITIAL_SPAN_BLOCKS = 2_000;

/** A source over one or more endpoints of one chain. Opens nothing until first asked. Throws `ConfigError` for unusable URLs. */
export function createSource(options: SourceOptions, deps: SourceDeps = {}): Source {
  const { now = () => performance.now(), random = Math.random, notice = () => undefined } = deps;
  const { chainId, urls, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  if (urls.length === 0) throw new ConfigError(`chain ${chainId} has no RPC endpoint`);
  const settings = {
    chainId,
    concurrency: options.concurrency ?? CONCURRENCY,
    initialSpan: options.initialSpan ?? INITIAL_SPAN_BLOCKS,
    now,
    random,
    notice,
  };
  const peers = urls.map((url, index) => createPeer(createEndpoint(url, index, requestTimeoutMs), settings));
  const pool = createPool(peers, { attempts: options.attempts ?? ATTEMPTS, random, notice });
  const head = createHeadReader(pool, now);
  return {
    chainId,
    endpoints: () => pool.peers().map((peer) => peer.name),
    checkChainId: (signal) => checkChainIds(peers, signal),
    head,
    header: (number, signal) => headerOf(pool, number, signal),
    headerByHash: (hash, signal) => headerOf(pool, hash, signal),
    finalized: (signal) => lowestFinalized(pool, signal),
    async witnesses(number, signal) {
      const answers = await pool.each((peer) => readHeader(peer, number, signal));
      return answers.map(({ peer, value }) => ({ endpoint: peer.name, header: value }));
    },
    fetchRange: createRangeReader({ chainId, pool, notice }),
    receipt: (transactionHash, blockHash, signal) =>
      pool.ask((peer) => readReceipt(peer, transactionHash, blockHash, signal), { signal }),
    call: (to, data, blockNumber, signal) =>
      pool.ask((peer) => readCall(peer, to, data, blockNumber, signal), { signal, from: blockNumber }),
    async codeAt(address, blockNumber, signal) {
      const read = (peer: Peer) => peer.request('eth_getCode', [address, hexOf(blockNumber)], { signal });
      return bytesOf(await pool.ask(read, { signal, from: blockNumber }), 'code').length > 2;
    },
    heads: (signal) =>
      followHeads(
        {
          pool,
          head,
          pollIntervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
          silenceMs: options.headSilenceMs ?? HEAD_SILENCE_MS,
          random,
          now,
          notice,
        },
        signal,
      ),
    close() {
      for (const peer of peers) peer.close();
    },
  };
}

/** Every endpoint is asked, whatever the others say; one that does not answer is asked again before it is first used. */
async function checkChainIds(peers: readonly Peer[], signal: AbortSignal | undefined): Promise<void> {
  const checks = await Promise.allSettled(peers.map((peer) => peer.checkChainId(signal)));
  if (signal?.aborted) throw new Aborted('told to stop');
  const faults = checks.flatMap((check) =>
    check.status === 'rejected' && check.reason instanceof ConfigError ? [check.reason.message] : [],
  );
  if (faults.length > 0) throw new ConfigError(faults.join('; '));
}

/** Another endpoint may have what one has not. */
async function headerOf(
  pool: Pool,
  asked: number | Hex,
  signal: AbortSignal | undefined,
): Promise<BlockHeader | undefined> {
  try {
    return await pool.ask((peer) => requireHeader(peer, asked, signal), { signal });
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'unknown-block') return undefined;
    throw error;
  }
}

async function lowestFinalized(pool: Pool, signal: AbortSignal | undefined): Promise<number | undefined> {
  const answers = await pool.each(async (peer) => {
    if (peer.lacks.finalizedTag) return undefined;
    try {
      const raw = await peer.request('eth_getBlockByNumber', ['finalized', false], { signal });
      return raw === null ? undefined : parseHeader(raw).number;
    } catch (error) {
      if (!(error instanceof RpcError) || (error.kind !== 'rejected' && error.kind !== 'unknown-block')) throw error;
      if (error.kind === 'rejected') peer.lacks.finalizedTag = true;
      return undefined;
    }
  });
  const numbers = answers.flatMap(({ value }) => (value === undefined ? [] : [value]));
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}

async function readCall(
  peer: Peer,
  to: Hex,
  data: Hex,
  blockNumber: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Hex> {
  const block = blockNumber === undefined ? 'latest' : hexOf(blockNumber);
  try {
    const answer = bytesOf(
      await peer.request('eth_call', [{ to, data }, block], { signal, maxBytes: MAX_CALL_BYTES }),
      'answer',
    );
    if (answer.length <= MAX_CALL_BYTES) return answer;
  } catch (error) {
    if (!(error instanceof RpcError) || error.kind !== 'range-refused') throw error;
  }
  throw new RpcError('rejected', `${peer.name}: eth_call: the answer of ${to} is larger than ${MAX_CALL_BYTES} bytes`);
}

function bytesOf(raw: unknown, what: string): Hex {
  if (typeof raw === 'string' && /^0x(?:[0-9a-f]{2})*$/i.test(raw)) return raw as Hex;
  throw new RpcInconsistency(`malformed ${what}`, { context: { value: String(raw).slice(0, 100) } });
}
