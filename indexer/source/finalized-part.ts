import type { BlockHeader, RawLog } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { mapLimit } from '../rpc/concurrency.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { RPC_CODE } from '../rpc/json-rpc.ts';
import { areProvedComplete, completeLogs, readBlockLogs } from './block-logs.ts';
import { requireHeader, verifyTip } from './blocks.ts';
import { isEmptyBloom } from './bloom.ts';
import { filterWatched, type Part, unexplained } from './bloom-check.ts';
import { blocksOf, readHeadersOfPart } from './headers-of-part.ts';
import { isEqual, type LogAnswer } from './log-answer.ts';
import { toQuantity, type Watched } from './parse.ts';
import { readReceipts } from './receipts.ts';
import { noticeDoubles, type ReaderDeps, type RemainingRange } from './remaining-range.ts';
import { learnFromReceipts, requestLogs } from './request-logs.ts';
import type { SecondAnswer } from './second-endpoint.ts';
import { verifyLinks } from './verify.ts';
import { setAsideForLogs } from './wrong-logs.ts';

/** Maximum number of blocks in a part whose headers are all read. */
const FULL_PART_BLOCKS = 512;
/** A range is narrowed by this factor after a failure that does not concern its size. Otherwise `rangeSize` of the endpoint decides. */
const NARROWING_FACTOR = 8;
/** Maximum number of blocks in a part that is read through receipts, and how many blocks are read at the same time. */
const RECEIPT_PART_BLOCKS = 32;
const RECEIPT_BLOCKS_IN_FLIGHT = 8;

/**
 * Reads the next part of a range below the finalized block. Requests the logs of as many blocks as the endpoint serves at once, then
 * headers to compare the logs with. The logs of doubtful blocks are read from receipts.
 */
export async function readFinalizedPart(
  deps: ReaderDeps,
  endpoint: Endpoint,
  remaining: RemainingRange,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const { from, watched, inFull } = remaining;
  if (watched !== undefined) await refusePruned(deps, endpoint, from, signal);
  const { to, answer, second }: PartAnswer =
    watched === undefined
      ? { to: remaining.to, answer: NOTHING }
      : await readLogsOfPart(deps, endpoint, remaining, watched, signal);
  const headers = await readHeadersOfPart(deps, endpoint, { ...remaining, to }, answer, signal);
  verifyLinks(inFull !== undefined ? headers : headers.slice(0, 1), remaining.anchor);
  verifyTip(endpoint, headers, remaining);
  if (watched === undefined) return { to, headers, logs: [] };
  const comparison = await second?.compare(answer, headers.at(-1) as BlockHeader, inFull !== undefined);
  const dispute = comparison?.dispute;
  if (dispute !== undefined && !inFull) return { to, headers, logs: [], isDisputed: true };
  const byNumber = new Map(headers.map((header) => [header.number, header]));
  const doubtful = new Set(answer.doubtful);
  for (const { blockNumber, blockHash } of answer.logs) {
    const header = byNumber.get(blockNumber);
    if (header !== undefined && header.hash !== blockHash) doubtful.add(blockNumber);
  }
  if (answer.hasDoubles) noticeDoubles(deps, endpoint);
  if (doubtful.size > 0) noticeDoubts(deps, endpoint, doubtful);
  for (const block of deps.seconds.disputed({ from, to })) doubtful.add(block);
  if (inFull !== undefined) for (const block of comparison?.doubtful ?? []) doubtful.add(block);
  const unproved =
    inFull === 'receipts'
      ? headers.filter((header) => mayHoldLogs(header) && !deps.blooms.excludes(header.logsBloom, watched))
      : inFull === 'blooms'
        ? headers.filter((header) => isEmptyBloom(header.logsBloom) && mayHoldLogs(header))
        : [];
  for (const { number } of unproved) doubtful.add(number);
  const logs = await replaceDoubtful(deps, endpoint, answer.logs, doubtful, byNumber, remaining, signal);
  learnFromReceipts(endpoint, answer, logs);
  if (logs !== answer.logs && !agreeOutside(answer.doubtful, logs, answer.logs)) {
    remaining.faultyEndpoints.add(endpoint.name);
    const compared = [...doubtful].filter((block) => !answer.doubtful.has(block));
    setAsideForLogs(endpoint, { given: answer.logs, truth: logs }, compared, watched);
  }
  await dispute?.settle(logs, signal);
  const hasOthers = inFull !== 'receipts' && deps.pool.endpoints().length > 1;
  const isUnconfirmed = (block: number) =>
    comparison?.confirms(block) !== true && (!doubtful.has(block) || remaining.unprovedBlocks.has(block));
  const unconfirmed = hasOthers ? logs.map(({ blockNumber }) => blockNumber).filter(isUnconfirmed) : [];
  const otherConfirmed = comparison !== undefined && logs.some(({ blockNumber }) => comparison.confirms(blockNumber));
  const comparedInPart = comparison !== undefined && unconfirmed.some((block) => !comparison.covers(block));
  return { to, headers, logs, unconfirmed, otherConfirmed, comparedInPart };
}

const NOTHING: LogAnswer = { logs: [], doubtful: new Set(), hasDoubles: false };

function mayHoldLogs({ transactionCount }: BlockHeader): boolean {
  return transactionCount !== 0;
}

/** Returns whether two lists hold the same logs if those of the given blocks are left out of both. */
function agreeOutside(blocks: ReadonlySet<number>, read: readonly RawLog[], answered: readonly RawLog[]): boolean {
  const [a = [], b = []] = [read, answered].map((logs) => logs.filter(({ blockNumber }) => !blocks.has(blockNumber)));
  return a.length === b.length && a.every((log, at) => log === b[at] || isEqual(log, b[at] as RawLog));
}

function noticeDoubts({ notice }: ReaderDeps, endpoint: Endpoint, doubtful: ReadonlySet<number>): void {
  const [first] = doubtful;
  const detail = `the logs of ${doubtful.size} blocks (${first}, …) are malformed or contradict each other: reading receipts`;
  notice({ event: 'inconsistent response', endpoint: endpoint.name, detail });
}

/**
 * Returns `logs`, in which the logs of doubtful blocks are replaced by the logs of their receipts. If `inFull` is `receipts`, the receipts
 * must account for every watched address in the bloom of their block, because on some chains no root proves receipts.
 *
 * @throws {RpcInconsistency} if the receipts do not account for the bloom. Another endpoint may have the right receipts.
 */
async function replaceDoubtful(
  deps: ReaderDeps,
  endpoint: Endpoint,
  logs: readonly RawLog[],
  doubtful: ReadonlySet<number>,
  headers: ReadonlyMap<number, BlockHeader>,
  { watched, inFull, unprovedBlocks }: RemainingRange,
  signal: AbortSignal | undefined,
): Promise<readonly RawLog[]> {
  if (doubtful.size === 0 || watched === undefined) return logs;
  const answered = Map.groupBy(logs, ({ blockNumber }) => blockNumber);
  const read = await mapLimit([...doubtful], RECEIPT_BLOCKS_IN_FLIGHT, signal, async (number, stop) => {
    const header = headers.get(number) ?? (await requireHeader(endpoint, number, stop));
    const block = await readBlockLogs(deps, endpoint, header, stop, 'pruned');
    if (!areProvedComplete(deps.blooms, header, block)) unprovedBlocks.add(number);
    const all = completeLogs(header, block, answered.get(number) ?? []);
    if (inFull === 'receipts') assertExplained(deps, header, all, watched);
    return filterWatched(all, watched);
  });
  const certain = logs.filter(({ blockNumber }) => !doubtful.has(blockNumber));
  return [...certain, ...read.flat()].sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
}

function assertExplained({ blooms }: ReaderDeps, header: BlockHeader, logs: readonly RawLog[], watched: Watched): void {
  const lacking = blooms
    .suspects(header.logsBloom, watched, logs, true)
    .filter((address) => !blooms.explains(logs, address));
  if (lacking.length > 0) throw unexplained(header, lacking);
}

/**
 * Throws `RpcError` `pruned` if the endpoint has deleted the receipts of a block whose header it has, because some nodes then answer
 * `eth_getLogs` with `[]`. Checks only block `from`, because an endpoint that has the receipts of a block has those of all blocks above it.
 */
async function refusePruned(
  { now }: ReaderDeps,
  endpoint: Endpoint,
  from: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { served, name, label } = endpoint;
  const isKnown = from >= served.from && now() < served.until;
  if (isKnown || endpoint.unsupported.blockReceipts || endpoint.delayMs('eth_getBlockReceipts') > 0) return;
  const receiptsOf = (block: string) =>
    endpoint.request('eth_getBlockReceipts', [block], { signal }).catch((error: unknown) => {
      if (!(error instanceof RpcError) || error.kind === 'pruned') throw error;
      if (!error.answered && error.kind !== 'range-refused') throw error;
      if (error.context.code === RPC_CODE.methodNotFound) endpoint.unsupported.blockReceipts = true;
      return undefined;
    });
  // A node that answers null for its newest block too does not support this method, so its null says nothing about block `from`.
  const isGone = (await receiptsOf(toQuantity(from))) === null && (await receiptsOf('latest')) !== null;
  if (isGone) {
    // Some nodes still serve the receipts of this block one by one. If this endpoint does not, `pruned` is thrown.
    const header = await requireHeader(endpoint, from, signal);
    await readReceipts(endpoint, header, signal, 'pruned');
    if (header.transactionCount === 0) {
      const context = { endpoint: name, number: from };
      throw new RpcError('pruned', `${label}: the receipts of block ${from} are gone`, { context });
    }
  }
  endpoint.served = { from, until: now() + SERVED_MS };
}

/** How long an endpoint that has served the receipts of a block is assumed to still have them. */
const SERVED_MS = 3_600_000;

/** The logs of a part, and the request for the same logs that was sent to another endpoint. */
type PartAnswer = { readonly to: number; readonly answer: LogAnswer; readonly second?: SecondAnswer | undefined };

/** Reads the logs of as many blocks as the endpoint serves at once. Narrows the range when the endpoint refuses it. */
async function readLogsOfPart(
  deps: ReaderDeps,
  endpoint: Endpoint,
  { from, to: end, tries, inFull }: RemainingRange,
  watched: Watched,
  signal: AbortSignal | undefined,
): Promise<PartAnswer> {
  let second: SecondAnswer | undefined;
  for (;;) {
    const most = Math.min(
      endpoint.rangeSize.blocks(),
      tries.maxBlocks,
      inFull === undefined ? Number.POSITIVE_INFINITY : FULL_PART_BLOCKS,
    );
    const gaveNoLogs = endpoint.receiptBlocks > 1;
    const blocks = gaveNoLogs ? 1 : Math.min(most, end - from + 1);
    const to = from + blocks - 1;
    // The endpoint refused requests for logs a moment ago. If only one block is left to request, read receipts instead of waiting.
    const isRefused = endpoint.delayMs() === 0 && endpoint.delayMs('eth_getLogs') > 0;
    if (isRefused && blocks === 1) return blocksForReceipts(endpoint, from, end);
    if (inFull !== 'receipts') second ??= deps.seconds.ask(endpoint, { from, to }, watched, signal);
    try {
      const answer = await requestLogs(endpoint, endpoint, { from, to }, watched, signal);
      endpoint.rangeSize.accepted(blocks);
      endpoint.receiptBlocks = 1;
      return { to, answer, second };
    } catch (error) {
      const decision = decideNarrowing(error, blocks, tries);
      if (decision === 'throw') throw error;
      if (decision === 'receipts') return blocksForReceipts(endpoint, from, end);
      const concernsSize = error instanceof RpcError && (error.kind === 'range-refused' || !error.answered);
      if (concernsSize && blocks > 1) {
        endpoint.rangeSize.rejected(blocks, error.hintBlocks);
        noticeNarrowing(deps, endpoint, blocks, endpoint.rangeSize.blocks());
      } else if (blocks > 1) {
        tries.maxBlocks = Math.max(1, Math.floor(blocks / NARROWING_FACTOR));
        noticeNarrowing(deps, endpoint, blocks, tries.maxBlocks);
      }
      if (decision === 'narrow') continue;
      // The error does not mention size, so the endpoint may be at fault. Rethrow so that the pool can try another endpoint.
      const isAnswer = error instanceof RpcError && error.answered;
      if (!isAnswer || (tries.failures === 1 && deps.pool.endpoints().length > 1)) throw error;
    }
  }
}

/**
 * Decides what to do after a failed request for logs: `narrow` requests fewer blocks, `receipts` reads the block from its receipts. After
 * a `throw`, the pool tries the same endpoint again or another one. The only side effect is to count the failure.
 *
 * | failure | several blocks | one block |
 * | --- | --- | --- |
 * | refused for its size, or rejected | narrow | receipts |
 * | answered with an unknown error | throw and narrow | receipts |
 * | no usable answer | throw and narrow | first throw, then receipts |
 * | inconsistent answer | first throw, then narrow | first throw, then receipts |
 * | pruned, unknown block, rate limit, no connection | throw | throw |
 */
function decideNarrowing(
  error: unknown,
  blocks: number,
  tries: RemainingRange['tries'],
): 'narrow' | 'receipts' | 'throw' | 'throw and narrow' {
  const isInconsistent = error instanceof RpcInconsistency;
  if (!isInconsistent && (!(error instanceof RpcError) || error.unreachable)) return 'throw';
  tries.failures += 1;
  if (isInconsistent) {
    if (tries.failures === 1) return 'throw';
    return blocks === 1 ? 'receipts' : 'narrow';
  }
  switch (error.kind) {
    case 'range-refused':
      return blocks === 1 ? 'receipts' : 'narrow';
    case 'rejected':
      return blocks === 1 ? 'receipts' : 'narrow';
    case 'unavailable':
      if (blocks > 1) return 'throw and narrow';
      return error.answered || tries.failures > 1 ? 'receipts' : 'throw';
    default:
      return 'throw';
  }
}

/** Returns an answer without logs, for blocks to read from receipts. Their number doubles each time until the endpoint gives logs again. */
function blocksForReceipts(endpoint: Endpoint, from: number, end: number): PartAnswer {
  const to = Math.min(end, from + endpoint.receiptBlocks - 1);
  endpoint.receiptBlocks = Math.min(RECEIPT_PART_BLOCKS, endpoint.receiptBlocks * 2);
  return { to, answer: { ...NOTHING, doubtful: new Set(blocksOf(from, to)) } };
}

function noticeNarrowing({ notice }: ReaderDeps, { name }: Endpoint, before: number, after: number): void {
  notice({ event: 'range narrowed', endpoint: name, detail: `${before} to ${after} blocks` });
}
