import type { BlockHeader, RawLog } from '../kernel/chain.ts';
import { mapInBatches } from '../rpc/batch.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { readHeaderOf } from './blocks.ts';
import type { LogAnswer } from './log-answer.ts';
import type { ReaderDeps, RemainingRange } from './remaining-range.ts';

/**
 * Number of headers that are read between both ends of a range, to compare their blooms with the answer. If the answer over N blocks
 * lacks the logs of n blocks, a sample of 3 notices this with probability 1 − (1 − n/N)³: 88 % for half of the blocks, 27 % for a tenth.
 */
export const SAMPLE_HEADERS = 3;
/** Number of headers of blocks with logs that are read to check timestamps and hashes in logs, if no other header that is read can. */
const SAMPLE_HEADERS_WITH_LOGS = 2;

/**
 * Reads the headers of a part below finalized. Call it after the logs were read. If the node does not have the end of the range yet, its
 * logs were incomplete, and reading the header of the end fails.
 *
 * With `inFull`, it reads all headers. Otherwise it reads the headers of both ends, of a sample of the blocks between, and of the blocks
 * with logs. If logs name the timestamps of their blocks, a sample of the blocks with logs is enough, unless a header differs from the
 * logs. The later proof of history finds wrong timestamps and missing logs that the samples missed.
 */
export async function readHeadersOfPart(
  deps: ReaderDeps,
  endpoint: Endpoint,
  { from, to, watched, inFull, readsHeadersOfLogs }: RemainingRange,
  { logs, doubtful }: LogAnswer,
  signal: AbortSignal | undefined,
): Promise<BlockHeader[]> {
  const read = (numbers: readonly number[]) =>
    mapInBatches(endpoint, [...new Set(numbers)].sort(ascending), signal, readHeaderOf);
  if (inFull !== undefined) return read(blocksOf(from, to));
  const isSampled = watched !== undefined && to - from >= SAMPLE_HEADERS;
  const sample = isSampled ? draw(SAMPLE_HEADERS, to - from + 1, deps.random).map((at) => from + at) : [];
  const needed = [from, ...sample, ...doubtful, ...deps.seconds.disputed({ from, to }), to];
  const withLogs = [...new Set(logs.map(({ blockNumber }) => blockNumber))];
  const areComparable = !endpoint.unsupported.logTimestamps && haveTimestamps(logs);
  const drawn = () =>
    needed.some((number) => withLogs.includes(number))
      ? []
      : draw(SAMPLE_HEADERS_WITH_LOGS, withLogs.length, deps.random).map((at) => withLogs[at] as number);
  const headers = await read([...needed, ...(areComparable && !readsHeadersOfLogs ? drawn() : withLogs)]);
  if (!areComparable || agree(logs, headers)) return headers;
  endpoint.unsupported.logTimestamps = true;
  const detail =
    'logs name another timestamp or hash than the header of their block: reading the headers of all blocks with logs';
  deps.notice({ event: 'inconsistent response', endpoint: endpoint.name, detail });
  const known = new Set(headers.map(({ number }) => number));
  const others = await read(withLogs.filter((number) => !known.has(number)));
  return [...headers, ...others].sort((a, b) => a.number - b.number);
}

/** Returns the numbers of a range of blocks. */
export function blocksOf(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

/** Draws whole numbers below a limit. Some may be equal. */
function draw(count: number, limit: number, random: () => number): number[] {
  return limit === 0 ? [] : Array.from({ length: count }, () => Math.floor(random() * limit));
}

/** Returns whether all logs name a timestamp, logs of one block agree on it and on the hash, and no later block has an earlier one. */
function haveTimestamps(logs: readonly RawLog[]): boolean {
  let last: RawLog | undefined;
  for (const log of logs) {
    if (log.blockTimestamp === undefined) return false;
    if (last?.blockNumber === log.blockNumber) {
      if (last.blockTimestamp !== log.blockTimestamp || last.blockHash !== log.blockHash) return false;
    } else if (last !== undefined && log.blockTimestamp < (last.blockTimestamp ?? 0)) return false;
    last = log;
  }
  return true;
}

/** Returns whether logs name the hash and timestamp of their block's header or, if it was not read, a time between those of both ends. */
function agree(logs: readonly RawLog[], headers: readonly BlockHeader[]): boolean {
  const byNumber = new Map(headers.map((header) => [header.number, header]));
  const [earliest = 0, latest = 0] = [headers[0]?.timestamp, headers.at(-1)?.timestamp];
  return logs.every(({ blockNumber, blockHash, blockTimestamp = 0 }) => {
    const header = byNumber.get(blockNumber);
    if (header === undefined) return blockTimestamp >= earliest && blockTimestamp <= latest;
    return header.hash === blockHash && header.timestamp === blockTimestamp;
  });
}

function ascending(a: number, b: number): number {
  return a - b;
}
