import type { BlockHeader, BlockRef, Hex, VerifiedRange } from '../kernel/chain.ts';
import { Aborted, ConfigError, RpcError } from '../kernel/errors.ts';
import { type BlockTag, type Endpoint, type EndpointState, kindOfRequest } from '../rpc/endpoint.ts';
import type { Meter } from '../rpc/meter.ts';
import type { EndpointNotice } from '../rpc/notice.ts';
import type { RpcObservation, RpcObserver } from '../rpc/observe.ts';
import { type EndpointsOptions, openEndpoints } from '../rpc/open-endpoints.ts';
import { createPool, type Pool } from '../rpc/pool.ts';
import { readHeader, readLatest, requireHeader } from './blocks.ts';
import { type ContractCall, type ContractCalls, readCall, readCalls } from './calls.ts';
import { type DeploymentProof, proveDeployment } from './deployment-proof.ts';
import { createRangeReader, type RangeRequest } from './fetch-range.ts';
import { createHeadReader, followHeads } from './heads.ts';
import { parseBytes, parseHeader, toQuantity } from './parse.ts';
import { createQuorumReader } from './quorum.ts';
import { type Receipt, readReceipt } from './receipts.ts';
import type { FullReading } from './remaining-range.ts';
import type { AnnouncedHeaders } from './subscription.ts';

/** The header of the block that one endpoint has at a height; undefined if it has none. */
export type Witness = { readonly endpoint: string; readonly header: BlockHeader | undefined };

/**
 * Verified reading of one chain through its RPC endpoints.
 *
 * A method that needs one answer tries the endpoints in turn with backoff and jitter, a limited number of times. Methods throw
 * `RpcError` (see its `kind`), `RpcInconsistency`, or `Aborted` once the signal aborts.
 */
export type Source = {
  readonly chainId: number;
  /** Returns the names (host and index) of the endpoints that serve the right chain. */
  endpoints(): readonly string[];
  /** Returns the state of each configured endpoint. */
  endpointStates(): readonly EndpointState[];
  /**
   * Asks every endpoint for its chain id. Returns the names of those that serve the right chain. Throws `ConfigError` if one serves
   * another chain. Unreachable endpoints are checked later.
   */
  checkChainId(signal?: AbortSignal): Promise<readonly string[]>;
  /** Returns the header of the remote head, on which as many endpoints agree as `SourceOptions.quorum` says. */
  head(signal?: AbortSignal): Promise<BlockHeader>;
  /** Returns the header of the block at a height; undefined if no endpoint has the block. */
  header(number: number, signal?: AbortSignal): Promise<BlockHeader | undefined>;
  /**
   * Asks every healthy endpoint for its finalized block. Returns the lowest number; undefined if none serves the tag `finalized`. Throws if
   * all endpoints fail. A block far below `newest` is ignored, because some nodes always answer the tag with block 0.
   */
  finalized(signal?: AbortSignal, newest?: BlockHeader): Promise<number | undefined>;
  /** Returns the lowest of the safe blocks of healthy endpoints; undefined if none serves the tag `safe`. Throws if all endpoints fail. */
  safe(signal?: AbortSignal): Promise<BlockHeader | undefined>;
  /** Returns the block that each responding endpoint, also one in quarantine, has at a height. Throws if no endpoint responds. */
  witnesses(number: number, signal?: AbortSignal): Promise<readonly Witness[]>;
  /**
   * Puts the endpoints of `witnesses` into quarantine, because they have another block than `expected`. An endpoint stays in quarantine
   * until it has the expected block, or `wasUnwound` returns true, which means that the database no longer has the expected block.
   */
  setAside(witnesses: readonly Witness[], expected: BlockRef, wasUnwound: () => Promise<boolean>): void;
  /** Returns headers and logs, consistent with each other, of a range of blocks or of the beginning of the range. */
  fetchRange(request: RangeRequest, signal?: AbortSignal): Promise<VerifiedRange>;
  /** Returns the receipt of a transaction. Throws `RpcError` `unknown-block` unless the transaction is in the given block. */
  receipt(transactionHash: Hex, blockHash: Hex, signal?: AbortSignal): Promise<Receipt>;
  /**
   * Returns the result of `eth_call` at a block, or at the newest block. A revert, or a result larger than 4 MiB as
   * hexadecimal text, is an `RpcError` of kind `rejected`.
   */
  call(to: Hex, data: Hex, blockNumber?: number, signal?: AbortSignal): Promise<Hex>;
  /**
   * Makes several `eth_call`s at a block. Returns their results in order. The result of a call that reverts, or gives too much data, is
   * an `RpcError` of kind `rejected`. Any other failure is thrown, such as an `RpcError` of kind `pruned` if no endpoint has the state of
   * the block.
   */
  calls(calls: ContractCalls, signal?: AbortSignal): Promise<readonly (Hex | RpcError)[]>;
  /** Returns the code of an address at the newest block of the endpoint that answers; `0x` if the address has none. */
  code(address: Hex, signal?: AbortSignal): Promise<Hex>;
  /**
   * Returns whether any endpoint returns code of the address at the block. An endpoint without the state of the block may say that there
   * is no code. Throws `RpcError` `pruned` if all endpoints say that they do not have the state.
   */
  codeAt(address: Hex, blockNumber: number, signal?: AbortSignal): Promise<boolean>;
  /** Proves that a contract that has code at a block was deployed in this block, or says why this cannot be proved. */
  proveDeployment(address: Hex, blockNumber: number, signal?: AbortSignal): Promise<DeploymentProof>;
  /**
   * Yields the current remote head and then every new one, from a subscription over WebSocket or by polling. Ends only when the
   * signal aborts, and does not throw when an endpoint fails. A slow reader gets only the newest head.
   */
  heads(signal: AbortSignal): AsyncIterable<BlockHeader>;
  /** Closes all connections. The source cannot be used afterwards. */
  close(): void;
};

/** Settings of a source; times in milliseconds. Only `chainId` and `rpcUrls` are required. */
export type SourceOptions = EndpointsOptions & {
  readonly pollIntervalMs?: number | undefined;
  /** Whenever a subscription has announced no higher block for this long, the remote head is polled. */
  readonly headSilenceMs?: number | undefined;
  /** How many endpoints must agree on a block before it counts as the remote head. Default: 1. */
  readonly quorum?: number | undefined;
  /**
   * Whether the caller asks a second endpoint for the logs of blocks once these are finalized. If so, and if there are several endpoints,
   * ranges with logs above the finalized block do not count as read in full (`VerifiedRange.inFull`). Default: false.
   */
  readonly logsAreConfirmedLater?: boolean | undefined;
  /** Number of attempts over all endpoints before an error is thrown. Twice the number of endpoints if this is more. Default: 3. */
  readonly attempts?: number | undefined;
};

/** Dependencies that the sources of one chain share in a process. */
export type SharedDeps = {
  /** Receives the outcome of every request. */
  readonly observe?: RpcObserver | undefined;
  /** The meters that count and limit the calls, one for each endpoint in order. Default: each source has its own. */
  readonly meters?: readonly (Meter | undefined)[] | undefined;
};

/** Dependencies that a test may replace. */
export type SourceDeps = SharedDeps & {
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  readonly notice?: ((notice: EndpointNotice) => void) | undefined;
};

/** The types of the parameters and results of a source's methods, and the types that `SourceDeps.observe` uses. */
export type {
  ContractCall,
  ContractCalls,
  DeploymentProof,
  EndpointState,
  FullReading,
  RangeRequest,
  RpcObservation,
  RpcObserver,
};

/** A finalized block is ignored if it is more than this many blocks below the newest block and more than this many seconds older. */
const FINALITY_LAG_MAX_BLOCKS = 10_000;
const FINALITY_LAG_MAX_SECONDS = 86_400;

const POLL_INTERVAL_MS = 1_000;
const HEAD_SILENCE_MS = 10_000;
const ATTEMPTS = 3;

/** Creates a source over the endpoints of one chain. It connects at the first request. Throws `ConfigError` for an unusable URL. */
export function createSource(options: SourceOptions, deps: SourceDeps = {}): Source {
  const { now = () => performance.now(), random = Math.random, notice = () => undefined, observe, meters } = deps;
  const { chainId, rpcUrls, logsAreConfirmedLater = false } = options;
  if (rpcUrls.length === 0) throw new ConfigError(`chain ${chainId} has no RPC endpoint`);
  const endpoints = openEndpoints(options, { now, random, notice, observe, meters });
  const pool = createPool(endpoints, {
    attempts: options.attempts ?? ATTEMPTS,
    now,
    random,
    notice,
    recheck: readLatest,
  });
  const { quorum = 1 } = options;
  const head = quorum > 1 ? createQuorumReader(pool, quorum) : createHeadReader(pool, now);
  const announced: AnnouncedHeaders = new WeakMap();
  return {
    chainId,
    endpoints: () => pool.endpoints().map((endpoint) => endpoint.name),
    endpointStates: () => endpoints.map((endpoint) => endpoint.state()),
    checkChainId: (signal) => checkChainIds(endpoints, signal),
    head,
    header: (number, signal) => readHeaderOfAny(pool, number, signal),
    finalized: async (signal, newest) => (await lowestTagged(pool, 'finalized', newest, signal))?.number,
    safe: (signal) => lowestTagged(pool, 'safe', undefined, signal),
    async witnesses(number, signal) {
      const answers = await pool.runOnEach((endpoint) => readHeader(endpoint, number, signal), true);
      return answers.map(({ endpoint, value }) => ({ endpoint: endpoint.name, header: value }));
    },
    setAside(witnesses, { number, hash }, wasUnwound) {
      for (const { endpoint: name, header } of witnesses) {
        const endpoint = endpoints.find((one) => one.name === name);
        endpoint?.quarantine.enter({
          evidence: `its block ${number} is ${header?.hash}, where the chain has ${hash}`,
          recheck: async (signal) =>
            (await readHeader(endpoint, number, signal))?.hash === hash || (await wasUnwound()),
        });
      }
    },
    fetchRange: createRangeReader({ chainId, pool, announced, notice, now, random, logsAreConfirmedLater }),
    receipt: (transactionHash, blockHash, signal) =>
      pool.run((endpoint) => readReceipt(endpoint, transactionHash, blockHash, signal), { signal }),
    call: (to, data, blockNumber, signal) =>
      pool.run((endpoint) => readCall(endpoint, { to, data }, blockNumber, signal), { signal, from: blockNumber }),
    calls: (calls, signal) =>
      pool.run((endpoint) => readCalls(endpoint, calls, signal), { signal, from: calls.blockNumber }),
    code: (address, signal) => pool.run((endpoint) => readCode(endpoint, address, 'latest', signal), { signal }),
    codeAt: (address, blockNumber, signal) => hasCode(pool, address, blockNumber, signal),
    proveDeployment: (address, blockNumber, signal) => proveDeployment(pool, address, blockNumber, signal),
    heads: (signal) =>
      followHeads(
        {
          pool,
          head,
          needsQuorum: quorum > 1,
          announced,
          pollIntervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
          silenceMs: options.headSilenceMs ?? HEAD_SILENCE_MS,
          random,
          now,
          notice,
        },
        signal,
      ),
    close() {
      for (const endpoint of endpoints) endpoint.close();
    },
  };
}

/** Checks the chain id of every endpoint. An endpoint that does not respond is checked again before it is first used. */
async function checkChainIds(
  endpoints: readonly Endpoint[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const checks = await Promise.allSettled(endpoints.map((endpoint) => endpoint.checkChainId(signal)));
  if (signal?.aborted) throw new Aborted('aborted');
  const faults = checks.flatMap((check) =>
    check.status === 'rejected' && check.reason instanceof ConfigError ? [check.reason.message] : [],
  );
  if (faults.length > 0) throw new ConfigError(faults.join('; '));
  return endpoints.filter((_, index) => checks[index]?.status === 'fulfilled').map(({ name }) => name);
}

/** Returns the block at a height from any endpoint that has it. */
async function readHeaderOfAny(
  pool: Pool,
  number: number,
  signal: AbortSignal | undefined,
): Promise<BlockHeader | undefined> {
  try {
    return await pool.run((endpoint) => requireHeader(endpoint, number, signal), { signal });
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'unknown-block') return undefined;
    throw error;
  }
}

async function lowestTagged(
  pool: Pool,
  tag: BlockTag,
  newest: BlockHeader | undefined,
  signal: AbortSignal | undefined,
): Promise<BlockHeader | undefined> {
  const answers = await pool.runOnEach(async (endpoint) => {
    if (endpoint.unsupported.tags.has(tag)) return undefined;
    if (endpoint.delayMs(kindOfRequest('eth_getBlockByNumber', [tag])) > 0) throw tagRefused(endpoint, tag);
    try {
      const raw = await endpoint.request('eth_getBlockByNumber', [tag, false], { signal });
      return raw === null ? undefined : parseHeader(raw, endpoint);
    } catch (error) {
      if (!(error instanceof RpcError) || (error.kind !== 'rejected' && error.kind !== 'unknown-block')) throw error;
      if (error.kind === 'rejected') endpoint.unsupported.tags.add(tag);
      return undefined;
    }
  });
  const isPlausible = ({ number, timestamp }: BlockHeader) =>
    newest === undefined ||
    newest.number - number <= FINALITY_LAG_MAX_BLOCKS ||
    newest.timestamp - timestamp <= FINALITY_LAG_MAX_SECONDS;
  return answers
    .flatMap(({ value }) => (value !== undefined && isPlausible(value) ? [value] : []))
    .reduce<BlockHeader | undefined>((a, b) => (a === undefined || b.number < a.number ? b : a), undefined);
}

function tagRefused({ name, label }: Endpoint, tag: BlockTag): RpcError {
  return new RpcError('unavailable', `${label}: the ${tag} tag was refused a moment ago`, {
    context: { endpoint: name },
    answered: true,
  });
}

async function readCode(
  endpoint: Endpoint,
  address: Hex,
  block: string,
  signal: AbortSignal | undefined,
): Promise<Hex> {
  return parseBytes(await endpoint.request('eth_getCode', [address, block], { signal }), 'code');
}

/** Returns whether any endpoint has code of an address. If the first one has none, all healthy ones are asked, also the first one again. */
async function hasCode(
  pool: Pool,
  address: Hex,
  blockNumber: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const read = async (endpoint: Endpoint) =>
    (await readCode(endpoint, address, toQuantity(blockNumber), signal)).length > 2;
  if (await pool.run(read, { signal, from: blockNumber })) return true;
  const answers = await pool.runOnEach(read).catch(() => []);
  if (signal?.aborted) throw new Aborted('aborted');
  return answers.some(({ value }) => value);
}
