import type { BlockHeader, BlockRef, RawLog, VerifiedRange, WatchFilter } from '../kernel/chain.ts';
import { IndexerError, RpcError } from '../kernel/errors.ts';
import { type Asker, mapBatched } from '../rpc/batch.ts';
import type { Peer, SourceNotice } from '../rpc/peer.ts';
import type { Pool } from '../rpc/pool.ts';
import { type Blooms, createBlooms, isSilent } from './bloom.ts';
import { type Part, settleBlooms, wantedOf } from './evidence.ts';
import { hexOf, requireHeader, unknownBlock } from './headers.ts';
import { readBlockLogs } from './receipts.ts';
import { parseLogs, verifyHashes, verifyLinks, verifyLogs, type Watched, watchedOf } from './verify.ts';

/** Up to so many addresses go into the request; with more the request is by topic, and filtered here. */
export const ADDRESSES_MAX = 500;
/** Blocks that are read as one above finalized. */
const STRICT_SPAN_BLOCKS = 64;
/** Addresses and topics in the requests of one batch of `eth_getLogs`: a body of about 700 KB. */
const BATCH_WORDS_MAX = 10_000;
/** A single block that fails so often, or is refused once, is read through its receipts. */
const FAILURES_BEFORE_RECEIPTS = 2;
/** JSON-RPC. */
const INVALID_PARAMS = -32602;

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
  /**
   * The block at `to` as the caller knows it: an endpoint that has another block there is passed over. Of a whole header
   * (strict only) nothing more is asked, and the block's logs are asked by its hash.
   */
  readonly tip?: BlockRef | BlockHeader | undefined;
  /**
   * Not strict only: the answer may end before `to` (look at the range's own) once it holds this many logs, as it does where
   * no endpoint answers what comes next.
   */
  readonly maxLogs?: number | undefined;
};

export type RangeReaderDeps = {
  readonly chainId: number;
  readonly pool: Pool;
  readonly notice: (notice: SourceNotice) => void;
};

/** What is still to be read. */
type Rest = {
  readonly from: number;
  readonly to: number;
  readonly watched: Watched | undefined;
  readonly anchor: BlockRef | undefined;
  readonly tip: BlockRef | BlockHeader | undefined;
  /** How often this stretch failed; counts up. */
  readonly tries: { failures: number };
};

/** Reads ranges part by part. Parts may come from different endpoints: each is verified, and linked to the one before. */
export function createRangeReader({ chainId, pool, notice }: RangeReaderDeps) {
  const blooms = createBlooms();
  const known = new WeakMap<WatchFilter, Watched>();

  function indexed(watch: WatchFilter): Watched | undefined {
    if (watch.addresses.length === 0 || watch.topics.length === 0) return undefined;
    const watched = known.get(watch) ?? watchedOf(watch, ADDRESSES_MAX);
    known.set(watch, watched);
    return watched;
  }

  return async function fetchRange(request: RangeRequest, signal?: AbortSignal): Promise<VerifiedRange> {
    const { from, to, strict, maxLogs = Number.POSITIVE_INFINITY } = request;
    if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to)) {
      throw new IndexerError(`no such range: ${from} to ${to}`);
    }
    const watched = indexed(request.watch);
    const headers: BlockHeader[] = [];
    const logs: RawLog[] = [];
    let anchor = request.anchor;
    let next = from;
    while (next <= to) {
      const rest: Rest = { from: next, to, watched, anchor, tip: request.tip, tries: { failures: 0 } };
      const read = async (peer: Peer) => {
        const part = strict ? await readStrict(peer, rest, blooms, signal) : await readSpan(peer, rest, notice, signal);
        return settleBlooms({ pool, blooms, notice }, peer, part, watched, signal);
      };
      const part = await pool.ask(read, { signal, from: next }).catch((error: unknown) => {
        // What was read before is of use, and what comes is asked for anew; another block at the end speaks against all of it.
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

/** Above finalized: every header, linked; then the logs of each block by its hash, so that no two forks mix. */
async function readStrict(peer: Peer, rest: Rest, blooms: Blooms, signal: AbortSignal | undefined): Promise<Part> {
  const { from, watched } = rest;
  const to = Math.min(rest.to, from + STRICT_SPAN_BLOCKS - 1);
  const known = to === rest.to ? wholeHeader(rest.tip, to) : undefined;
  const asked = Array.from({ length: to - from + (known ? 0 : 1) }, (_, index) => from + index);
  const headers = await mapBatched(peer, asked, signal, (number, asker, stop) => requireHeader(asker, number, stop));
  if (known !== undefined) headers.push(known);
  verifyLinks(headers, rest.anchor);
  verifyTip(peer, headers, rest);
  if (watched === undefined) return { to, headers, logs: [] };
  const maxCalls = Math.floor(
    BATCH_WORDS_MAX / (watched.topics.size + (watched.byAddress ? watched.addresses.size : 0)),
  );
  const read = (header: BlockHeader, asker: Asker, stop: AbortSignal) =>
    logsOfBlock(peer, asker, header, watched, stop);
  const blocks = await mapBatched(peer, headers, signal, read, maxCalls);
  const isDoubtful = (header: BlockHeader) =>
    peer.lacks.blockHashFilter ||
    isSilent(header.logsBloom) ||
    (header === known && !blooms.excludes(header.logsBloom, watched));
  const silent = headers.some((header, index) => blocks[index]?.length === 0 && isDoubtful(header));
  if (silent) await verifyStillThere(peer, headers.at(-1), signal);
  return { to, headers, logs: blocks.flat() };
}

/** The caller's header of the block, where it carries everything that is asked of one. */
function wholeHeader(tip: BlockRef | BlockHeader | undefined, number: number): BlockHeader | undefined {
  return tip?.number === number && 'parentHash' in tip && tip.logsBloom.length > 2 ? tip : undefined;
}

/**
 * An empty answer proves nothing where a node that has not the block may answer `[]` and the bloom does not say the same: the
 * last block, and so all below it, must still be there.
 */
async function verifyStillThere(
  peer: Peer,
  end: BlockHeader | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (end === undefined) return;
  const now = await requireHeader(peer, end.number, signal);
  if (now.hash !== end.hash) throw unknownBlock(peer, `block ${end.number} was reorganised while it was read`);
}

async function logsOfBlock(
  peer: Peer,
  asker: Asker,
  header: BlockHeader,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const { number, hash } = header;
  const byHash = !peer.lacks.blockHashFilter;
  try {
    const where = byHash ? { blockHash: hash } : { fromBlock: hexOf(number), toBlock: hexOf(number) };
    const logs = verifyLogs(await getLogs(asker, where, watched, signal), number, number, watched);
    verifyHashes(logs, new Map([[number, header]]));
    return logs;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.kind === 'range-refused') return wantedOf(await readBlockLogs(peer, header, signal), watched);
    if (error.kind !== 'rejected' || !byHash) throw error;
    peer.lacks.blockHashFilter = true;
    return logsOfBlock(peer, asker, header, watched, signal);
  }
}

/** Below finalized: as many blocks as the endpoint serves at once, then the headers of both ends and of blocks with logs. */
async function readSpan(
  peer: Peer,
  rest: Rest,
  notice: (notice: SourceNotice) => void,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const { from, watched } = rest;
  const { to, logs } =
    watched === undefined ? { to: rest.to, logs: [] } : await spanLogs(peer, rest, watched, notice, signal);
  // After the logs: a node that has not the end of the range yet would have answered for the part that it has.
  const numbers = [...new Set([from, ...logs.map((log) => log.blockNumber), to])];
  const headers = await mapBatched(peer, numbers, signal, (number, asker, stop) => requireHeader(asker, number, stop));
  verifyHashes(logs, new Map(headers.map((header) => [header.number, header])));
  verifyLinks(headers.slice(0, 1), rest.anchor);
  verifyTip(peer, headers, rest);
  return { to, headers, logs };
}

/** The logs of as many blocks as the endpoint serves at once. */
async function spanLogs(
  peer: Peer,
  { from, to: end, tries }: Rest,
  watched: Watched,
  notice: (notice: SourceNotice) => void,
  signal: AbortSignal | undefined,
): Promise<{ readonly to: number; readonly logs: RawLog[] }> {
  for (;;) {
    const blocks = Math.min(peer.span.blocks(), end - from + 1);
    const to = from + blocks - 1;
    if (blocks === 1 && tries.failures >= FAILURES_BEFORE_RECEIPTS) {
      return { to, logs: await logsByReceipts(peer, from, watched, signal) };
    }
    try {
      const where = { fromBlock: hexOf(from), toBlock: hexOf(to) };
      const logs = verifyLogs(await getLogs(peer, where, watched, signal), from, to, watched);
      peer.span.accepted(blocks);
      return { to, logs };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      // Some put their caps under what says that the request is wrong: then a block that is alone is not to be had otherwise.
      if (blocks === 1 && error.context.code === INVALID_PARAMS) {
        return { to, logs: await logsByReceipts(peer, from, watched, signal) };
      }
      if (error.kind !== 'range-refused' && error.kind !== 'unavailable') throw error;
      tries.failures += blocks === 1 && error.kind === 'range-refused' ? FAILURES_BEFORE_RECEIPTS : 1;
      if (blocks > 1) {
        peer.span.refused(blocks, error.hintBlocks);
        notice({ event: 'range narrowed', endpoint: peer.name, detail: `${blocks} to ${peer.span.blocks()} blocks` });
      }
      // Without words about size it may be the endpoint that is at fault: its health and its neighbours have their say.
      if (error.kind === 'unavailable') throw error;
    }
  }
}

async function logsByReceipts(
  peer: Peer,
  number: number,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const header = await requireHeader(peer, number, signal);
  return wantedOf(await readBlockLogs(peer, header, signal), watched);
}

async function getLogs(
  asker: Asker,
  where: Readonly<Record<string, string>>,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const address = watched.byAddress ? { address: [...watched.addresses.values()] } : {};
  const filter = { ...where, ...address, topics: [[...watched.topics.values()]] };
  return parseLogs(await asker.request('eth_getLogs', [filter], { signal }), watched);
}

function verifyTip(peer: Peer, headers: readonly BlockHeader[], { to, tip }: Rest): void {
  const last = headers.at(-1);
  if (tip === undefined || tip.number !== to || last?.number !== to || last.hash === tip.hash) return;
  throw unknownBlock(peer, `it has another block ${to} than the one that was seen`);
}
