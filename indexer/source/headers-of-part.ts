import type { BlockHeader, RawLog } from '../kernel/chain.ts';
import { mapInBatches } from '../rpc/batch.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { readHeaderOf } from './blocks.ts';
import type { LogAnswer } from './log-answer.ts';
import type { ReaderDeps, RemainingRange } from './remaining-range.ts';

/**
 * Number of randomly drawn blocks of a part whose headers are read to compare their blooms with the logs. If the logs of n of N blocks are
 * missing, a sample of 3 notices this with probability 1 − (1 − n/N)³: 88 % for half of the blocks, 27 % for a tenth.
 */
export const SAMPLE_HEADERS = 3;
/**
 * Number of blocks with logs whose headers are read to check the timestamps and hashes in the logs. None are added if a header that is read
 * anyway belongs to a block with logs.
 */
const SAMPLE_HEADERS_WITH_LOGS = 2;

/**
 * Reads headers of a part below the finalized block. Call it after the logs were read: if the node does not have the last block yet, the
 * logs were incomplete, and reading the header of that block fails.
 *
 * With `inFull`, it reads all headers. Otherwise it reads the headers of both ends, of a sample of the blocks, of blocks with doubtful or
 * disputed logs, and of the blocks with logs. If logs name the timestamps of their blocks, a sample of the blocks with logs is enough,
 * unless a header differs from the logs. The prover, which later reads every header, finds the wrong timestamps and missing logs that the
 * samples missed.
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

/** Returns whether all logs carry a timestamp, the logs of a block agree on timestamp and hash, and timestamps never decrease. */
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

/**
 * Returns whether each log has the hash and timestamp of its block's header. If this header was not read, the timestamp of the log must
 * lie between those of the first and the last header.
 */
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
