import { BLOCK_NUMBER_LIMIT, type BlockHeader, type Hex, type RawLog, type WatchFilter } from '../kernel/chain.ts';
import { ConfigError, RpcInconsistency } from '../kernel/errors.ts';
import type { Requester } from '../rpc/endpoint.ts';

/** Log indexes must be below 2³², because the database orders logs by block × 2³² + log index. Some providers come near this limit. */
const LOG_INDEX_LIMIT = 2 ** 32;

const HASH_CHARS = 66;
const ADDRESS_CHARS = 42;
const QUANTITY_CHARS_MAX = 16;

/** The last second of the year 9999. A larger timestamp is not in seconds. */
const TIMESTAMP_MAX = 253_402_300_799n;
/** The units other than seconds in which a node may give timestamps, each with the number of these units in a second. */
const UNITS: readonly [bigint, string][] = [
  [1_000n, 'milliseconds'],
  [1_000_000n, 'microseconds'],
  [1_000_000_000n, 'nanoseconds'],
];

/** The endpoint that a header comes from. */
type HeaderOrigin = Pick<Requester, 'name' | 'label' | 'chainId'>;

/**
 * Parses the header of a block (`eth_getBlockBy…`).
 *
 * @param endpoint the endpoint that returned the header
 * @throws {RpcInconsistency} if it is malformed.
 * @throws {ConfigError} if its timestamp is not in seconds, because the next headers of this endpoint will not be in seconds either.
 */
export function parseHeader(raw: unknown, endpoint: HeaderOrigin): BlockHeader {
  const block = parseObject(raw, 'block');
  refuseOtherUnits(block, endpoint);
  return {
    number: parseQuantity(block.number, 'block number', BLOCK_NUMBER_LIMIT),
    hash: hex(block.hash, HASH_CHARS, 'block hash'),
    parentHash: hex(block.parentHash, HASH_CHARS, 'parent hash'),
    timestamp: parseQuantity(block.timestamp, 'block timestamp'),
    // A chain that serves no bloom is treated like one that serves zeros: the bloom proves nothing.
    logsBloom: typeof block.logsBloom === 'string' ? parseBytes(block.logsBloom, 'logs bloom') : '0x',
    ...(Array.isArray(block.transactions) && { transactionCount: block.transactions.length }),
  };
}

function refuseOtherUnits({ number, timestamp }: Item, { name, label, chainId }: HeaderOrigin): void {
  if (typeof timestamp !== 'string' || !/^0x[0-9a-f]{10,32}$/i.test(timestamp)) return;
  const time = BigInt(timestamp);
  if (time <= TIMESTAMP_MAX) return;
  const unit = UNITS.find(([parts]) => time / parts <= TIMESTAMP_MAX)?.[1] ?? 'something else';
  throw new ConfigError(
    `${label}: gives block ${Number(number)} the timestamp ${time}, which counts ${unit}; use an endpoint that counts seconds`,
    { context: { endpoint: name, chainId, timestamp } },
  );
}

/** Returns the number of an announced block. Throws `RpcInconsistency` if the announcement has no valid number. */
export function parseBlockNumber(raw: unknown): number {
  return parseQuantity(parseObject(raw, 'block').number, 'block number', BLOCK_NUMBER_LIMIT);
}

type Item = Readonly<Record<string, unknown>>;

/**
 * Parses a log, and converts it to lower case. Throws `RpcInconsistency` if it is malformed, pending or removed. A value that equals a
 * watched address or topic, or the same member of the previous log, is not checked again.
 */
function parseLog(
  item: Item,
  last: RawLog | undefined,
  lastItem: Item | undefined,
  watched: Watched | undefined,
  digits: Digits,
): RawLog {
  if (item.removed === true) throw new RpcInconsistency('the node returned a log that is marked as removed');
  const { address, blockNumber, blockHash, transactionHash, topics } = item;
  if (!Array.isArray(topics) || topics.length > 4) throw new RpcInconsistency('malformed log topics');
  const hashes: Hex[] = [];
  for (let at = 0; at < topics.length; at++) {
    const known = at === 0 ? watched?.topics.get(topics[at]) : undefined;
    hashes.push(known ?? hex(topics[at], HASH_CHARS, 'log topic', digits));
  }
  return {
    address: watched?.addresses.get(address as string) ?? hex(address, ADDRESS_CHARS, 'log address', digits),
    topics: hashes,
    data: parseBytes(item.data, 'log data', digits),
    blockNumber:
      last !== undefined && blockNumber === lastItem?.blockNumber
        ? last.blockNumber
        : parseQuantity(blockNumber, 'block number of a log', BLOCK_NUMBER_LIMIT),
    blockHash:
      last !== undefined && blockHash === lastItem?.blockHash
        ? last.blockHash
        : hex(blockHash, HASH_CHARS, 'block hash of a log', digits),
    transactionHash:
      last !== undefined && transactionHash === lastItem?.transactionHash
        ? last.transactionHash
        : nonZero(hex(transactionHash, HASH_CHARS, 'transaction hash of a log', digits), 'transaction hash of a log'),
    logIndex: parseQuantity(item.logIndex, 'log index', LOG_INDEX_LIMIT),
    blockTimestamp:
      last !== undefined && item.blockTimestamp === lastItem?.blockTimestamp
        ? last.blockTimestamp
        : timestampOf(item.blockTimestamp),
  };
}

/** Returns the timestamp that a log names; undefined if it names none that can be used. Some nodes give null or zero. */
function timestampOf(raw: unknown): number | undefined {
  const fits = typeof raw === 'string' && raw.length <= QUANTITY_CHARS_MAX && isHex(raw);
  const time = fits ? Number(raw) : 0;
  return time > 0 && time <= TIMESTAMP_MAX ? time : undefined;
}

/**
 * Parses a list of logs. Throws `RpcInconsistency` for anything that is not a list, rather than treating it as an empty list.
 *
 * @param watched the filter of the request: its addresses and topics are not checked again, and all logs share their strings
 * @param doubtful collects the numbers of the blocks with malformed logs. Malformed logs are then left out of the result. If `doubtful` is
 *   undefined, a malformed log makes the function throw `RpcInconsistency`.
 */
export function parseLogs(raw: unknown, watched?: Watched, doubtful?: Set<number>): RawLog[] {
  if (!Array.isArray(raw)) throw new RpcInconsistency('the response is not a list of logs');
  // Checking all digits together takes a fifth of the time of checking them value by value. If some are in upper case or
  // invalid, each value is checked by itself.
  const unchecked = new UncheckedDigits();
  const logs = readLogs(raw, watched, doubtful, (text) => unchecked.take(text));
  return unchecked.areLowerHex() ? logs : readLogs(raw, watched, doubtful, lowerHex);
}

function readLogs(
  raw: readonly unknown[],
  watched: Watched | undefined,
  doubtful: Set<number> | undefined,
  digits: Digits,
): RawLog[] {
  const logs: RawLog[] = [];
  let last: RawLog | undefined;
  let lastItem: Item | undefined;
  for (const one of raw) {
    const item = parseObject(one, 'log');
    try {
      last = parseLog(item, last, lastItem, watched, digits);
    } catch (error) {
      if (doubtful === undefined) throw error;
      doubtful.add(parseQuantity(item.blockNumber, 'block number of a log', BLOCK_NUMBER_LIMIT));
      continue;
    }
    logs.push(last);
    lastItem = item;
  }
  return logs;
}

/** Collects hexadecimal values, to check the digits of all of them at the end. */
class UncheckedDigits {
  #text = '';

  take(text: string): Hex {
    this.#text += text.startsWith('0x') ? text.slice(2) : text.concat('?');
    return text as Hex;
  }

  areLowerHex(): boolean {
    return !/[^0-9a-f]/.test(this.#text);
  }
}

/** A watch filter that is indexed for lookups. */
export type Watched = {
  readonly addresses: ReadonlyMap<string, Hex>;
  readonly topics: ReadonlyMap<string, Hex>;
  /** The filter that was indexed. */
  readonly watch: WatchFilter;
};

/** Indexes a filter. */
export function indexFilter(watch: WatchFilter): Watched {
  return {
    addresses: new Map(watch.addresses.map((address) => [address, address])),
    topics: new Map(watch.topics.map((topic) => [topic, topic])),
    watch,
  };
}

const ZERO_HASH = `0x${'0'.repeat(64)}`;

function nonZero(hash: Hex, what: string): Hex {
  if (hash === ZERO_HASH) throw malformed(what, hash);
  return hash;
}

/** Encodes a number as a JSON-RPC quantity. */
export function toQuantity(number: number): Hex {
  return `0x${number.toString(16)}`;
}

/** Parses a JSON-RPC quantity. Throws `RpcInconsistency` unless it is a safe integer below `limit`. */
export function parseQuantity(raw: unknown, what: string, limit: number = Number.MAX_SAFE_INTEGER): number {
  const fits = typeof raw === 'string' && raw.length > 2 && raw.length <= QUANTITY_CHARS_MAX;
  const value = fits && (isHex(raw) || isHex(raw.toLowerCase())) ? Number(raw) : Number.NaN;
  if (!Number.isSafeInteger(value) || value >= limit) throw malformed(what, raw);
  return value;
}

/** A function that converts a text to `0x` and lower-case hexadecimal digits. It throws for other text, or leaves this check for later. */
type Digits = (text: string, what: string) => Hex;

/** Parses hexadecimal digits of a known length. */
function hex(raw: unknown, chars: number, what: string, digits: Digits = lowerHex): Hex {
  if (typeof raw !== 'string' || raw.length !== chars) throw malformed(what, raw);
  return digits(raw, what);
}

/** Parses hexadecimal bytes of any length. Throws `RpcInconsistency` for anything else. */
export function parseBytes(raw: unknown, what: string, digits: Digits = lowerHex): Hex {
  if (typeof raw !== 'string' || raw.length % 2 !== 0) throw malformed(what, raw);
  return digits(raw, what);
}

function lowerHex(raw: string, what: string): Hex {
  if (isHex(raw)) return raw;
  const lower = raw.toLowerCase();
  if (isHex(lower)) return lower;
  throw malformed(what, raw);
}

/** 1 for every UTF-16 unit that is a lower-case hexadecimal digit. A lookup takes a third of the time of a regular expression. */
const IS_DIGIT = new Uint8Array(65_536);
for (const digit of '0123456789abcdef') IS_DIGIT[digit.charCodeAt(0)] = 1;

/** Returns whether a text is `0x` and lower-case hexadecimal digits. */
function isHex(text: string): text is Hex {
  if (!text.startsWith('0x')) return false;
  let all = 1;
  for (let at = 2; at < text.length; at++) all &= IS_DIGIT[text.charCodeAt(at)] as number;
  return all === 1;
}

/** Returns the members of a JSON object. Throws `RpcInconsistency` for anything else. */
export function parseObject(raw: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw malformed(what, raw);
  return raw as Record<string, unknown>;
}

function malformed(what: string, raw: unknown): RpcInconsistency {
  return new RpcInconsistency(`malformed ${what}`, { context: { value: String(JSON.stringify(raw)).slice(0, 100) } });
}
