import type { BlockHeader, BlockRef, RawLog } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { mapInBatches } from '../rpc/batch.ts';
import { mapLimit } from '../rpc/concurrency.ts';
import type { Endpoint, Requester } from '../rpc/endpoint.ts';
import { ADDRESSES_MAX } from '../rpc/filter-limit.ts';
import { completeLogs, readBlockLogs } from './block-logs.ts';
import { readHeaderOf, requireHeader, unknownBlock, verifyTip } from './blocks.ts';
import { isEmptyBloom } from './bloom.ts';
import { filterWatched, type Part } from './bloom-check.ts';
import type { LogAnswer } from './log-answer.ts';
import type { Watched } from './parse.ts';
import { noticeDoubles, type ReaderDeps, type RemainingRange } from './remaining-range.ts';
import { learnFromReceipts, requestLogs } from './request-logs.ts';
import { verifyLinks } from './verify.ts';

/** Maximum number of blocks that are read together above the finalized block. */
const STRICT_PART_BLOCKS = 64;
/** Maximum number of addresses and topics in one batch of `eth_getLogs`, which makes a body of about 700 KB. */
const BATCH_FILTER_ITEMS_MAX = 10_000;
/** Blocks whose receipts are read at the same time. */
const BLOCKS_IN_FLIGHT = 8;

/**
 * Reads the next part of a range above the finalized block. Reads every header and verifies that they are linked, then requests the logs of
 * each block by its hash, so that the logs of two forks cannot mix.
 */
export async function readStrictPart(
  deps: ReaderDeps,
  endpoint: Endpoint,
  remaining: RemainingRange,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const { from, watched } = remaining;
  const to = Math.min(remaining.to, from + STRICT_PART_BLOCKS - 1);
  const known = to === remaining.to ? completeHeader(remaining.tip, to) : undefined;
  const numbers = Array.from({ length: to - from + (known ? 0 : 1) }, (_, index) => from + index);
  const headers = await mapInBatches(endpoint, numbers, signal, readHeaderOf);
  if (known !== undefined) {
    verifyParent(endpoint, headers.at(-1), known);
    headers.push(known);
  }
  verifyLinks(headers, remaining.anchor);
  verifyTip(endpoint, headers, remaining);
  if (watched === undefined) return { to, headers, logs: [] };
  const { topics, addresses } = watched.watch;
  const maxCalls = Math.floor(BATCH_FILTER_ITEMS_MAX / (topics.length + Math.min(addresses.length, ADDRESSES_MAX)));
  const read = (header: BlockHeader, requester: Requester, stop: AbortSignal) =>
    readLogsOfBlock(deps, endpoint, requester, header, watched, stop);
  const blocks = await mapInBatches(endpoint, headers, signal, read, maxCalls);
  const logs = await confirmEmptyBlocks(deps, endpoint, { headers, known, blocks }, watched, signal);
  return { to, headers, logs };
}

/**
 * Throws `RpcError` `unknown-block` if `known`, the caller's header, is not a child of the last header that the endpoint returned. This is
 * not an inconsistency of one endpoint, because another endpoint on another fork may have served `known`.
 */
function verifyParent(endpoint: Endpoint, last: BlockHeader | undefined, known: BlockHeader): void {
  if (last === undefined || last.hash === known.parentHash) return;
  throw unknownBlock(endpoint, `the endpoint has another block ${last.number} than the parent of the caller's block`);
}

/** Returns `tip`, the block that the caller expects, if it has this number and is a complete header. */
function completeHeader(tip: BlockRef | BlockHeader | undefined, number: number): BlockHeader | undefined {
  const isComplete =
    tip?.number === number && 'parentHash' in tip && tip.transactionCount !== undefined && tip.logsBloom.length > 2;
  return isComplete ? tip : undefined;
}

type ReadBlocks = {
  readonly headers: readonly BlockHeader[];
  /** The header that the caller gave, which another endpoint may have served. */
  readonly known: BlockHeader | undefined;
  readonly blocks: readonly (readonly RawLog[])[];
};

/**
 * Returns the logs of all blocks. Some nodes answer `[]` for a block that they do not have. So the endpoint must still have the last block
 * if it answered `[]` for a block whose bloom does not rule out watched logs, and if logs were requested by number or the header of this
 * block was not read from this endpoint. If a block has transactions but an empty bloom, its logs are read from receipts, because an answer
 * with some logs may lack others.
 */
async function confirmEmptyBlocks(
  deps: ReaderDeps,
  endpoint: Endpoint,
  { headers, known, blocks }: ReadBlocks,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const empty = headers.filter((_, index) => blocks[index]?.length === 0);
  const silent = headers.filter((header) => isEmptyBloom(header.logsBloom) && header.transactionCount !== 0);
  const answered = new Map(headers.map(({ number }, index) => [number, blocks[index] ?? []]));
  const found = await mapLimit(silent, BLOCKS_IN_FLIGHT, signal, async (header, stop) => {
    const read = await readBlockLogs(deps, endpoint, header, stop);
    const logs = completeLogs(header, read, answered.get(header.number) ?? []);
    return [header.number, filterWatched(logs, watched)] as const;
  });
  const proven = new Map(found);
  // Reading a header again over the connection that announced it would prove nothing new.
  const isFromElsewhere = (header: BlockHeader) => {
    const subscription = deps.announced.get(header);
    return header === known && !(subscription?.endpoint === endpoint && subscription.isOpen);
  };
  const isDoubtful = (header: BlockHeader) =>
    !isEmptyBloom(header.logsBloom) &&
    (endpoint.unsupported.blockHashFilter || isFromElsewhere(header)) &&
    !deps.blooms.excludes(header.logsBloom, watched);
  if (empty.some(isDoubtful)) await verifyStillCanonical(endpoint, headers.at(-1), signal);
  return headers.flatMap(({ number }) => proven.get(number) ?? answered.get(number) ?? []);
}

/** Throws unless the last block, and therefore all blocks below it, is still part of the endpoint's chain. */
async function verifyStillCanonical(
  endpoint: Endpoint,
  end: BlockHeader | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (end === undefined) return;
  const now = await requireHeader(endpoint, end.number, signal);
  if (now.hash !== end.hash) throw unknownBlock(endpoint, `block ${end.number} was reorganised while it was read`);
}

/**
 * Reads the watched logs of a block. They are read from the receipts of the block if the endpoint refuses to give them, may have cut its
 * answer, or gives logs that are malformed or contradict each other or the header.
 */
async function readLogsOfBlock(
  deps: ReaderDeps,
  endpoint: Endpoint,
  requester: Requester,
  header: BlockHeader,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const fromReceipts = async (answered: readonly RawLog[] = []) =>
    filterWatched(completeLogs(header, await readBlockLogs(deps, endpoint, header, signal), answered), watched);
  const noticeInconsistency = (detail: string) =>
    deps.notice({
      event: 'inconsistent response',
      endpoint: endpoint.name,
      detail: `block ${header.number}: ${detail}`,
    });
  // The endpoint has just refused `eth_getLogs` for an unknown reason. Read receipts instead of waiting until it may be asked again.
  if (endpoint.delayMs() === 0 && endpoint.delayMs('eth_getLogs') > 0) return fromReceipts();
  try {
    const answer = await requestLogsOfBlock(endpoint, requester, header, watched, signal);
    const { logs, doubtful, hasDoubles, mayBeCutAt } = answer;
    if (hasDoubles) noticeDoubles(deps, endpoint);
    if (mayBeCutAt !== undefined) {
      const proven = await fromReceipts(logs);
      learnFromReceipts(endpoint, answer, proven);
      if (proven.length > mayBeCutAt) noticeInconsistency(`its answer was cut at ${mayBeCutAt} logs`);
      return proven;
    }
    const isOfBlock = doubtful.size === 0 && logs.every((log) => log.blockHash === header.hash);
    if (isOfBlock) return [...logs];
    noticeInconsistency('its logs are malformed or contradict each other or the header: reading receipts');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (error instanceof RpcInconsistency) noticeInconsistency(error.message);
  }
  return fromReceipts();
}

/** Requests the logs of a block by its hash, or by its number if the endpoint does not support a filter by hash. */
async function requestLogsOfBlock(
  endpoint: Endpoint,
  requester: Requester,
  { number, hash }: BlockHeader,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<LogAnswer> {
  const byNumber = { from: number, to: number };
  if (endpoint.unsupported.blockHashFilter) return requestLogs(endpoint, requester, byNumber, watched, signal);
  try {
    return await requestLogs(endpoint, requester, { ...byNumber, hash }, watched, signal);
  } catch (error) {
    if (!(error instanceof RpcError) || error.kind !== 'rejected') throw error;
    const answer = await requestLogs(endpoint, requester, byNumber, watched, signal);
    endpoint.unsupported.blockHashFilter = true;
    return answer;
  }
}

/** Returns whether a working node refused to give logs, or gave inconsistent ones. Its receipts may still be readable then. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof RpcError)) return error instanceof RpcInconsistency;
  return (
    error.kind === 'range-refused' || error.kind === 'rejected' || (error.kind === 'unavailable' && error.answered)
  );
}
