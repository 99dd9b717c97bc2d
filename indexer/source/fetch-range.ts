import type { BlockHeader, BlockRef, RawLog, VerifiedRange, WatchFilter } from '../kernel/chain.ts';
import { IndexerError, RpcError } from '../kernel/errors.ts';
import { mapInBatches } from '../rpc/batch.ts';
import type { Endpoint, EndpointNotice, Requester } from '../rpc/endpoint.ts';
import { RPC_CODE } from '../rpc/json-rpc.ts';
import type { Pool } from '../rpc/pool.ts';
import { requireHeader, unknownBlock } from './blocks.ts';
import { type Blooms, createBlooms, isEmptyBloom } from './bloom.ts';
import { addLogsProvenByBloom, filterWatched, type Part } from './bloom-check.ts';
import { indexFilter, parseLogs, toQuantity, type Watched } from './parse.ts';
import { readBlockLogs } from './receipts.ts';
import { verifyHashes, verifyLinks, verifyLogs } from './verify.ts';

/** Maximum number of addresses in a request. With more, the request is by topic only and its logs are filtered here. */
export const ADDRESSES_MAX = 500;
/** Maximum number of blocks that are read together above finalized. */
const STRICT_PART_BLOCKS = 64;
/** Maximum number of addresses and topics in one batch of `eth_getLogs`, which makes a body of about 700 KB. */
const BATCH_FILTER_ITEMS_MAX = 10_000;
/** A single block is read through its receipts after this many failures, or after one refusal. */
const FAILURES_BEFORE_RECEIPTS = 2;

/** A range to read. Both ends are included. */
export type RangeRequest = {
  readonly from: number;
  readonly to: number;
  /** For ranges above finalized: read and link every header, and request logs by block hash. */
  readonly strict: boolean;
  /** The logs to read. If it has no address or no topic, only headers are read. */
  readonly watch: WatchFilter;
  /** The block below `from` that must be the parent of the range (strict only). Another parent is an `AnchorMismatch`. */
  readonly anchor?: BlockRef | undefined;
  /**
   * The block at `to` that the caller expects. Endpoints that have another block there are not used. If it is a complete header
   * (strict only), it is not requested again.
   */
  readonly tip?: BlockRef | BlockHeader | undefined;
  /**
   * Below finalized, the result may end before `to` once it has this many logs, or if no endpoint answers for the next blocks.
   * The result names its own end.
   */
  readonly maxLogs?: number | undefined;
};

/** Dependencies of the range reader. */
export type RangeReaderDeps = {
  readonly chainId: number;
  readonly pool: Pool;
  readonly notice: (notice: EndpointNotice) => void;
};

/** The part of a range that has not been read yet. */
type Remaining = {
  readonly from: number;
  readonly to: number;
  readonly watched: Watched | undefined;
  readonly anchor: BlockRef | undefined;
  readonly tip: BlockRef | BlockHeader | undefined;
  /** Counts the failed attempts to read the next part. */
  readonly tries: { failures: number };
};

/**
 * Returns the function that reads ranges part by part. Parts may come from different endpoints; each is verified and linked to
 * the one before.
 */
export function createRangeReader({ chainId, pool, notice }: RangeReaderDeps) {
  const blooms = createBlooms();
  const indexes = new WeakMap<WatchFilter, Watched>();

  function indexOf(watch: WatchFilter): Watched | undefined {
    if (watch.addresses.length === 0 || watch.topics.length === 0) return undefined;
    const watched = indexes.get(watch) ?? indexFilter(watch, ADDRESSES_MAX);
    indexes.set(watch, watched);
    return watched;
  }

  return async function fetchRange(request: RangeRequest, signal?: AbortSignal): Promise<VerifiedRange> {
    const { from, to, strict, maxLogs = Number.POSITIVE_INFINITY } = request;
    if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to)) {
      throw new IndexerError(`invalid block range: ${from} to ${to}`);
    }
    const watched = indexOf(request.watch);
    const headers: BlockHeader[] = [];
    const logs: RawLog[] = [];
    let anchor = request.anchor;
    let next = from;
    while (next <= to) {
      const remaining: Remaining = { from: next, to, watched, anchor, tip: request.tip, tries: { failures: 0 } };
      const read = async (endpoint: Endpoint) => {
        const part = strict
          ? await readStrictPart(endpoint, remaining, blooms, signal)
          : await readFinalizedPart(endpoint, remaining, notice, signal);
        return addLogsProvenByBloom({ pool, blooms, notice }, endpoint, part, watched, signal);
      };
      const part = await pool.run(read, { signal, from: next }).catch((error: unknown) => {
        // Return what was read so far; the caller requests the rest again. An unknown block casts doubt on all of it.
        if (!strict && next > from && error instanceof RpcError && error.kind !== 'unknown-block') return undefined;
        throw error;
      });
      if (part === undefined) break;
      for (const header of part.headers) headers.push(header);
      for (const log of part.logs) logs.push(log);
      anchor = headers.at(-1);
      next = part.to + 1;
      if (!strict && logs.length >= maxLogs) break;
    }
    return { chainId, from, to: next - 1, headers, logs };
  };
}

/** Reads a part above finalized: every header, linked, then the logs of each block by its hash, so that forks cannot mix. */
async function readStrictPart(
  endpoint: Endpoint,
  remaining: Remaining,
  blooms: Blooms,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const { from, watched } = remaining;
  const to = Math.min(remaining.to, from + STRICT_PART_BLOCKS - 1);
  const known = to === remaining.to ? completeHeader(remaining.tip, to) : undefined;
  const numbers = Array.from({ length: to - from + (known ? 0 : 1) }, (_, index) => from + index);
  const headers = await mapInBatches(endpoint, numbers, signal, readHeaderOf);
  if (known !== undefined) headers.push(known);
  verifyLinks(headers, remaining.anchor);
  verifyTip(endpoint, headers, remaining);
  if (watched === undefined) return { to, headers, logs: [] };
  const maxCalls = Math.floor(
    BATCH_FILTER_ITEMS_MAX / (watched.topics.size + (watched.byAddress ? watched.addresses.size : 0)),
  );
  const read = (header: BlockHeader, requester: Requester, stop: AbortSignal) =>
    readLogsOfBlock(endpoint, requester, header, watched, stop);
  const blocks = await mapInBatches(endpoint, headers, signal, read, maxCalls);
  const isUnproven = (header: BlockHeader) =>
    endpoint.unsupported.blockHashFilter ||
    isEmptyBloom(header.logsBloom) ||
    (header === known && !blooms.excludes(header.logsBloom, watched));
  const mayLackLogs = headers.some((header, index) => blocks[index]?.length === 0 && isUnproven(header));
  if (mayLackLogs) await verifyStillCanonical(endpoint, headers.at(-1), signal);
  return { to, headers, logs: blocks.flat() };
}

/** Returns the caller's header of the block if it is complete. */
function completeHeader(tip: BlockRef | BlockHeader | undefined, number: number): BlockHeader | undefined {
  return tip?.number === number && 'parentHash' in tip && tip.logsBloom.length > 2 ? tip : undefined;
}

/**
 * Throws unless the last block, and therefore all blocks below it, is still part of the endpoint's chain. Some nodes answer `[]`
 * for a block that they do not have, so an empty response proves nothing unless the bloom confirms it.
 */
async function verifyStillCanonical(
  endpoint: Endpoint,
  end: BlockHeader | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (end === undefined) return;
  const now = await requireHeader(endpoint, end.number, signal);
  if (now.hash !== end.hash) throw unknownBlock(endpoint, `block ${end.number} was reorganised while it was read`);
}

async function readLogsOfBlock(
  endpoint: Endpoint,
  requester: Requester,
  header: BlockHeader,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const { number, hash } = header;
  const byHash = !endpoint.unsupported.blockHashFilter;
  try {
    const where = byHash ? { blockHash: hash } : { fromBlock: toQuantity(number), toBlock: toQuantity(number) };
    const logs = verifyLogs(await getLogs(requester, where, watched, signal), number, number, watched);
    verifyHashes(logs, new Map([[number, header]]));
    return logs;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.kind === 'range-refused') return filterWatched(await readBlockLogs(endpoint, header, signal), watched);
    if (error.kind !== 'rejected' || !byHash) throw error;
    endpoint.unsupported.blockHashFilter = true;
    return readLogsOfBlock(endpoint, requester, header, watched, signal);
  }
}

/** Reads a part below finalized: the logs of as many blocks as the endpoint serves, then the headers of both ends and of blocks with logs. */
async function readFinalizedPart(
  endpoint: Endpoint,
  remaining: Remaining,
  notice: (notice: EndpointNotice) => void,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const { from, watched } = remaining;
  const { to, logs } =
    watched === undefined
      ? { to: remaining.to, logs: [] }
      : await readLogsOfPart(endpoint, remaining, watched, notice, signal);
  // Read headers after the logs: a node that does not have the end of the range yet would have returned only its own part.
  const numbers = [...new Set([from, ...logs.map((log) => log.blockNumber), to])];
  const headers = await mapInBatches(endpoint, numbers, signal, readHeaderOf);
  verifyHashes(logs, new Map(headers.map((header) => [header.number, header])));
  verifyLinks(headers.slice(0, 1), remaining.anchor);
  verifyTip(endpoint, headers, remaining);
  return { to, headers, logs };
}

/** Reads the logs of as many blocks as the endpoint serves at once. Narrows the range when the endpoint refuses it. */
async function readLogsOfPart(
  endpoint: Endpoint,
  { from, to: end, tries }: Remaining,
  watched: Watched,
  notice: (notice: EndpointNotice) => void,
  signal: AbortSignal | undefined,
): Promise<{ readonly to: number; readonly logs: RawLog[] }> {
  for (;;) {
    const blocks = Math.min(endpoint.rangeSize.blocks(), end - from + 1);
    const to = from + blocks - 1;
    if (blocks === 1 && tries.failures >= FAILURES_BEFORE_RECEIPTS) {
      return { to, logs: await readLogsFromReceipts(endpoint, from, watched, signal) };
    }
    try {
      const where = { fromBlock: toQuantity(from), toBlock: toQuantity(to) };
      const logs = verifyLogs(await getLogs(endpoint, where, watched, signal), from, to, watched);
      endpoint.rangeSize.accepted(blocks);
      return { to, logs };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      // Some providers use the code for invalid parameters when a response is too large. A single block cannot be narrowed.
      if (blocks === 1 && error.context.code === RPC_CODE.invalidParams) {
        return { to, logs: await readLogsFromReceipts(endpoint, from, watched, signal) };
      }
      if (error.kind !== 'range-refused' && error.kind !== 'unavailable') throw error;
      tries.failures += blocks === 1 && error.kind === 'range-refused' ? FAILURES_BEFORE_RECEIPTS : 1;
      if (blocks > 1) {
        endpoint.rangeSize.rejected(blocks, error.hintBlocks);
        notice({
          event: 'range narrowed',
          endpoint: endpoint.name,
          detail: `${blocks} to ${endpoint.rangeSize.blocks()} blocks`,
        });
      }
      // The error does not mention size, so the endpoint may be at fault. Rethrow so that the pool can try another endpoint.
      if (error.kind === 'unavailable') throw error;
    }
  }
}

async function readLogsFromReceipts(
  endpoint: Endpoint,
  number: number,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const header = await requireHeader(endpoint, number, signal);
  return filterWatched(await readBlockLogs(endpoint, header, signal), watched);
}

function readHeaderOf(number: number, requester: Requester, signal: AbortSignal): Promise<BlockHeader> {
  return requireHeader(requester, number, signal);
}

async function getLogs(
  requester: Requester,
  where: Readonly<Record<string, string>>,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const address = watched.byAddress ? { address: [...watched.addresses.values()] } : {};
  const filter = { ...where, ...address, topics: [[...watched.topics.values()]] };
  return parseLogs(await requester.request('eth_getLogs', [filter], { signal }), watched);
}

function verifyTip(endpoint: Endpoint, headers: readonly BlockHeader[], { to, tip }: Remaining): void {
  const last = headers.at(-1);
  if (tip === undefined || tip.number !== to || last?.number !== to || last.hash === tip.hash) return;
  throw unknownBlock(endpoint, `the endpoint has another block ${to} than the caller`);
}
