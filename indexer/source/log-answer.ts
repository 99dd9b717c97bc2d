import type { RawLog } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';
import type { FilterPart } from '../rpc/filter-limit.ts';
import { parseLogs, parseObject, type Watched } from './parse.ts';

/**
 * The logs of an answer to `eth_getLogs`: ordered, unique by `(block, log index)`, and of watched addresses and topics.
 *
 * `doubtful` are the blocks whose logs contradict each other, are malformed or may be incomplete. These logs are left out, and must be read
 * from receipts.
 */
export type LogAnswer = {
  readonly logs: readonly RawLog[];
  readonly doubtful: ReadonlySet<number>;
  /** Whether the answer held a log twice. */
  readonly hasDoubles: boolean;
  /**
   * The number of logs at which the endpoint may have cut its answer about a single block. Set only if one request asked for the block,
   * and the filter of this request named addresses and topics.
   */
  readonly mayBeCutAt?: number;
};

/** The blocks and the filter that a request asked for. */
export type AskedLogs = { readonly from: number; readonly to: number; readonly part: FilterPart };

/**
 * Reads the answer to an `eth_getLogs` request. Sorts logs that are out of order, and keeps one of equal logs.
 *
 * @throws {RpcInconsistency} if the answer is not a list, or holds logs that were not asked for.
 */
export function readLogAnswer(raw: unknown, asked: AskedLogs, watched: Watched): LogAnswer {
  const doubtful = new Set<number>();
  const parsed = parseLogs(raw, watched, doubtful);
  for (const number of doubtful) verifyBlock(number, asked);
  let isOrdered = true;
  let last: RawLog | undefined;
  for (const log of parsed) {
    verifyAsked(log, asked, watched);
    if (last !== undefined && !isAfter(log, last)) isOrdered = false;
    last = log;
  }
  if (!isOrdered) addContradictions(raw as unknown[], parsed, doubtful);
  const ordered = isOrdered ? parsed : withoutDoubles(parsed.toSorted(byPosition));
  const logs = ordered.filter(
    ({ address, topics: [topic], blockNumber }) =>
      watched.addresses.has(address) && watched.topics.has(topic as string) && !doubtful.has(blockNumber),
  );
  return { logs, doubtful, hasDoubles: ordered.length < parsed.length };
}

/** Joins the answers to several requests about one range, which asked for different filters or different blocks of it. */
export function joinAnswers(answers: readonly LogAnswer[]): LogAnswer {
  const [first] = answers;
  if (answers.length === 1 && first !== undefined) return first;
  const doubtful = new Set(answers.flatMap((answer) => [...answer.doubtful]));
  const logs = answers.flatMap((answer) => answer.logs).filter(({ blockNumber }) => !doubtful.has(blockNumber));
  const hasDoubles = answers.some((answer) => answer.hasDoubles);
  return { logs: withoutDoubles(logs.toSorted(byPosition)), doubtful, hasDoubles };
}

function verifyAsked(log: RawLog, asked: AskedLogs, watched: Watched): void {
  verifyBlock(log.blockNumber, asked);
  const [topic] = log.topics;
  const isAsked =
    (asked.part.addresses === undefined || watched.addresses.has(log.address)) &&
    (asked.part.topics === undefined || (topic !== undefined && watched.topics.has(topic)));
  if (isAsked) return;
  throw new RpcInconsistency('a log does not match the filter of the request', {
    context: { number: log.blockNumber, logIndex: log.logIndex, address: log.address, topic },
  });
}

function verifyBlock(number: number, { from, to }: AskedLogs): void {
  if (number >= from && number <= to) return;
  throw new RpcInconsistency('a log lies outside the requested range', { context: { from, to, number } });
}

/**
 * Adds to `doubtful` the blocks in which two different logs have the same index, or a log has a lower index than a log of an earlier
 * transaction. Some nodes restart the index at 0 in some transactions of a block.
 */
function addContradictions(raw: readonly unknown[], logs: readonly RawLog[], doubtful: Set<number>): void {
  const byIndex = new Map<string, RawLog>();
  for (const log of logs) {
    const key = `${log.blockNumber}:${log.logIndex}`;
    const other = byIndex.get(key);
    if (other !== undefined && !isEqual(other, log)) doubtful.add(log.blockNumber);
    byIndex.set(key, log);
  }
  const indexed = raw
    .map((one) => parseObject(one, 'log'))
    .map(({ blockNumber, transactionIndex, logIndex }) => [blockNumber, transactionIndex, logIndex].map(Number))
    .filter(([block, ...rest]) => rest.every(Number.isSafeInteger) && !doubtful.has(block as number))
    .sort(([blockA = 0, , indexA = 0], [blockB = 0, , indexB = 0]) => blockA - blockB || indexA - indexB);
  for (const [at, [block = 0, transaction = 0]] of indexed.entries()) {
    const [blockBefore, transactionBefore = 0] = indexed[at - 1] ?? [];
    if (block === blockBefore && transaction < transactionBefore) doubtful.add(block);
  }
}

/** Drops every log that has the same block and index as the one before it. */
function withoutDoubles(ordered: readonly RawLog[]): RawLog[] {
  return ordered.filter((log, at) => {
    const before = ordered[at - 1];
    return before === undefined || before.blockNumber !== log.blockNumber || before.logIndex !== log.logIndex;
  });
}

function byPosition(a: RawLog, b: RawLog): number {
  return a.blockNumber - b.blockNumber || a.logIndex - b.logIndex;
}

/** Returns whether a log has a later position (block and log index) than the log `last`. */
export function isAfter(log: RawLog, last: RawLog): boolean {
  return byPosition(last, log) < 0;
}

/** Returns whether two logs are equal in every value except `blockTimestamp`, which only some nodes give. */
export function isEqual(a: RawLog, b: RawLog): boolean {
  return (
    a.blockNumber === b.blockNumber &&
    a.logIndex === b.logIndex &&
    a.blockHash === b.blockHash &&
    a.transactionHash === b.transactionHash &&
    a.address === b.address &&
    a.data === b.data &&
    a.topics.length === b.topics.length &&
    a.topics.every((topic, at) => topic === b.topics[at])
  );
}
