import type { BlockHeader, BlockRef, RawLog, VerifiedRange, WatchFilter } from '../kernel/chain.ts';
import { IndexerError, RpcError } from '../kernel/errors.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { EndpointNotice } from '../rpc/notice.ts';
import type { Pool } from '../rpc/pool.ts';
import { type Blooms, createBlooms } from './bloom.ts';
import { addLogsProvenByBloom, type Part } from './bloom-check.ts';
import { readFinalizedPart } from './finalized-part.ts';
import { indexFilter, type Watched } from './parse.ts';
import type { FullReading, ReaderDeps, RemainingRange } from './remaining-range.ts';
import { createReceiptRoots } from './root-rule.ts';
import { createSecondEndpoints } from './second-endpoint.ts';
import { readStrictPart } from './strict-part.ts';
import type { AnnouncedHeaders } from './subscription.ts';

/** A range to read. Both ends are included. */
export type RangeRequest = {
  readonly from: number;
  readonly to: number;
  /** Set for ranges above the finalized block: every header is read and linked by parent hash, and logs are requested by block hash. */
  readonly strict: boolean;
  /** The logs to read. If it has no address or no topic, only headers are read. */
  readonly watch: WatchFilter;
  /** The expected block below `from`. If the first block of the range is not its child, `AnchorMismatch` is thrown. */
  readonly anchor?: BlockRef | undefined;
  /**
   * The block that the caller expects at `to`. The end of the range is not read from an endpoint that has another block there. If `tip` is
   * a complete header and `strict` is set, this header is not requested again.
   */
  readonly tip?: BlockRef | BlockHeader | undefined;
  /**
   * If `strict` is not set, the result may end before `to` once it has this many logs, or if no endpoint answers for the next blocks.
   * The `to` of the result is the last block that was read.
   */
  readonly maxLogs?: number | undefined;
  /**
   * Below the finalized block: whether to read every header, and which receipts to read too. Above it, every header is always read; if
   * `inFull` is set, blooms with too many bits set are compared with the logs too.
   */
  readonly inFull?: FullReading | undefined;
  /** Below the finalized block: whether to read the header of every block that has logs, even if the logs carry timestamps. */
  readonly readsHeadersOfLogs?: boolean | undefined;
};

/** Dependencies of the range reader. */
export type RangeReaderDeps = {
  readonly chainId: number;
  readonly pool: Pool;
  readonly announced: AnnouncedHeaders;
  readonly notice: (notice: EndpointNotice) => void;
  readonly now: () => number;
  readonly random: () => number;
  /** See `SourceOptions.logsAreConfirmedLater`. */
  readonly logsAreConfirmedLater: boolean;
};

/**
 * Creates the function that reads a range in parts, which may come from different endpoints. Each part is verified, and its first block
 * must be a child of the last block of the part before.
 */
export function createRangeReader({ chainId, logsAreConfirmedLater, ...rest }: RangeReaderDeps) {
  const blooms = createBlooms();
  const roots = createReceiptRoots({ ...rest, blooms });
  const deps: ReaderDeps = { ...rest, blooms, roots, seconds: createSecondEndpoints({ ...rest, roots }) };
  const { pool } = deps;
  const indexes = new WeakMap<WatchFilter, Watched>();

  function indexOf(watch: WatchFilter): Watched | undefined {
    if (watch.addresses.length === 0 || watch.topics.length === 0) return undefined;
    const watched = indexes.get(watch) ?? indexFilter(watch);
    indexes.set(watch, watched);
    return watched;
  }

  return async function fetchRange(request: RangeRequest, signal?: AbortSignal): Promise<VerifiedRange> {
    const { from, to, strict, inFull, readsHeadersOfLogs = false, maxLogs = Number.POSITIVE_INFINITY } = request;
    if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to)) {
      throw new IndexerError(`invalid block range: ${from} to ${to}`);
    }
    const watched = indexOf(request.watch);
    const headers: BlockHeader[] = [];
    const logs: RawLog[] = [];
    const faultyEndpoints = new Set<string>();
    const unprovedBlocks = new Set<number>();
    const unconfirmedBlocks = new Set<number>();
    let otherConfirmed = false;
    let comparedInPart = false;
    let isFull = strict || inFull !== undefined;
    let anchor = request.anchor;
    let next = from;
    while (next <= to) {
      const tries = { failures: 0, maxBlocks: Number.POSITIVE_INFINITY };
      const { tip } = request;
      const remaining: RemainingRange = {
        ...{ from: next, to, watched, anchor, tip, strict, inFull, readsHeadersOfLogs },
        ...{ faultyEndpoints, unprovedBlocks, tries },
      };
      const read = (endpoint: Endpoint, stop: AbortSignal | undefined) => readPart(deps, endpoint, remaining, stop);
      const hedge = strict && from === to ? 'newest block' : undefined;
      const part = await pool
        .run(read, { signal, from: next, method: 'eth_getLogs', hedge })
        .catch((error: unknown) => {
          // Return the parts that were read, and let the caller request the rest. Rethrow `unknown-block`, because it may mean that the
          // blocks of all parts were reorganised.
          if (!strict && next > from && error instanceof RpcError && error.kind !== 'unknown-block') return undefined;
          throw error;
        });
      if (part === undefined) break;
      for (const header of part.headers) headers.push(header);
      for (const log of part.logs) logs.push(log);
      for (const block of part.unconfirmed ?? []) unconfirmedBlocks.add(block);
      otherConfirmed ||= part.otherConfirmed === true;
      comparedInPart ||= part.comparedInPart === true;
      if (inFull === undefined && watched !== undefined) isFull &&= isCompared(blooms, part, watched);
      // A bloom does not show how many logs of an address a block has, so one endpoint may leave out some of them unnoticed.
      if (strict && logsAreConfirmedLater && part.logs.length > 0) isFull &&= pool.endpoints().length < 2;
      anchor = headers.at(-1);
      next = part.to + 1;
      if (!strict && logs.length >= maxLogs) break;
    }
    const findings = {
      faultyEndpoints: [...faultyEndpoints],
      unprovedBlocks: [...unprovedBlocks],
      unconfirmedBlocks: [...unconfirmedBlocks],
      otherConfirmed,
      comparedInPart,
    };
    return { chainId, from, to: next - 1, headers, logs, inFull: isFull, ...findings };
  };
}

/**
 * Returns whether the bloom of every header was compared with the logs. Above the finalized block, blooms with too many bits set are not
 * compared while reading, because false positives would cost the receipts of almost every block. This function compares such a bloom, but
 * reads no receipts: the bloom counts as compared if it shows no missing log.
 */
function isCompared(blooms: Blooms, { headers, logs }: Part, watched: Watched): boolean {
  return headers.every(({ number, logsBloom }) => {
    if (!blooms.isTooFull(logsBloom, watched)) return true;
    const ofBlock = logs.filter(({ blockNumber }) => blockNumber === number);
    return blooms.suspects(logsBloom, watched, ofBlock, true).length === 0;
  });
}

/**
 * Reads the next part of a range. If not every header of the part was read, and logs are missing or another endpoint gave different logs,
 * reads the part again with every header.
 */
async function readPart(
  deps: ReaderDeps,
  endpoint: Endpoint,
  remaining: RemainingRange,
  signal: AbortSignal | undefined,
): Promise<Part> {
  if (remaining.strict) {
    const part = await readStrictPart(deps, endpoint, remaining, signal);
    return (await addLogsProvenByBloom(deps, endpoint, part, remaining, signal)).part;
  }
  const part = await readFinalizedPart(deps, endpoint, remaining, signal);
  if (remaining.inFull === 'receipts') return part;
  if (!part.isDisputed) {
    const checked = await addLogsProvenByBloom(deps, endpoint, part, remaining, signal);
    if (!checked.lackedLogs || remaining.inFull !== undefined) return checked.part;
  }
  return readPart(deps, endpoint, { ...remaining, to: part.to, inFull: 'blooms' }, signal);
}
