import type { BlockHeader, BlockRef, Hex, RawLog, WatchFilter } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';

/** A position is block × 2³² + log index, so an index must stay below 2³² (synthetic ones of some chains come close). */
const LOG_INDEX_LIMIT = 2 ** 32;
/** `block × 2³²` must fit PostgreSQL's `bigint`. */
const BLOCK_NUMBER_LIMIT = 2 ** 31;

const HASH_CHARS = 66;
const ADDRESS_CHARS = 42;
const QUANTITY_CHARS_MAX = 16;

/** The first header of a range is no child of the block that the caller holds: most likely a reorganisation. */
export class AnchorMismatch extends RpcInconsistency {}

/** The header in a node's block (`eth_getBlockBy…`, `newHeads`). Throws `RpcInconsistency` where it has not that shape. */
export function parseHeader(raw: unknown): BlockHeader {
  const block = recordOf(raw, 'block');
  return {
    number: quantity(block.number, 'block number', BLOCK_NUMBER_LIMIT),
    hash: hex(block.hash, HASH_CHARS, 'block hash'),
    parentHash: hex(block.parentHash, HASH_CHARS, 'parent hash'),
    timestamp: quantity(block.timestamp, 'block timestamp'),
    // Where a chain serves none it proves nothing, like one of zeros.
    logsBloom: typeof block.logsBloom === 'string' ? bytes(block.logsBloom, 'logs bloom') : '0x',
  };
}

/** Throws unless the header is of the block that was asked for. */
export function verifyAsked(header: BlockHeader, asked: number | Hex): void {
  if (header.number !== asked && header.hash !== asked) {
    throw new RpcInconsistency('another block came than was asked for', {
      context: { asked, number: header.number, hash: header.hash },
    });
  }
}

/** Throws unless the headers follow each other without a gap, and the first follows `anchor` (`AnchorMismatch`). */
export function verifyLinks(headers: readonly BlockHeader[], anchor: BlockRef | undefined): void {
  let parent: BlockRef | undefined = anchor;
  for (const header of headers) {
    if (parent !== undefined && (header.number !== parent.number + 1 || header.parentHash !== parent.hash)) {
      const context = { number: header.number, parentHash: header.parentHash, expected: parent };
      if (parent === anchor)
        throw new AnchorMismatch('the range does not follow the block that it should', { context });
      throw new RpcInconsistency('two blocks in a row do not link', { context });
    }
    parent = header;
  }
}

type Item = Readonly<Record<string, unknown>>;

/**
 * A node's log, in lower case. Throws `RpcInconsistency` where it has not that shape, is pending or was removed. What is,
 * letter by letter, watched or what the log before has in its place needs no other check.
 */
function parseLog(
  item: Item,
  last: RawLog | undefined,
  lastItem: Item | undefined,
  watched: Watched | undefined,
  digits: Digits,
): RawLog {
  if (item.removed === true) throw new RpcInconsistency('a log that was removed was given as if it stood');
  const { address, blockNumber, blockHash, transactionHash, topics } = item;
  if (!Array.isArray(topics) || topics.length > 4) throw new RpcInconsistency('a log without its topics');
  const hashes: Hex[] = [];
  for (let at = 0; at < topics.length; at++) {
    const known = at === 0 ? watched?.topics.get(topics[at]) : undefined;
    hashes.push(known ?? hex(topics[at], HASH_CHARS, 'log topic', digits));
  }
  return {
    address: watched?.addresses.get(address as string) ?? hex(address, ADDRESS_CHARS, 'log address', digits),
    topics: hashes,
    data: bytes(item.data, 'log data', digits),
    blockNumber:
      last !== undefined && blockNumber === lastItem?.blockNumber
        ? last.blockNumber
        : quantity(blockNumber, 'block number of a log', BLOCK_NUMBER_LIMIT),
    blockHash:
      last !== undefined && blockHash === lastItem?.blockHash
        ? last.blockHash
        : hex(blockHash, HASH_CHARS, 'block hash of a log', digits),
    transactionHash:
      last !== undefined && transactionHash === lastItem?.transactionHash
        ? last.transactionHash
        : hex(transactionHash, HASH_CHARS, 'transaction hash of a log', digits),
    logIndex: quantity(item.logIndex, 'log index', LOG_INDEX_LIMIT),
  };
}

/**
 * A node's list of logs. Anything but a list is an inconsistency, never an empty one.
 *
 * @param watched what was asked for: its addresses and topics are not checked again, and all logs share their text
 */
export function parseLogs(raw: unknown, watched?: Watched): RawLog[] {
  if (!Array.isArray(raw)) throw new RpcInconsistency('no list of logs');
  // All digits together are checked in a fifth of the time that one text after the other takes. Where some are capitals, or
  // none at all, each is looked at.
  const unchecked = new UncheckedDigits();
  const logs = readLogs(raw, watched, (text) => unchecked.take(text));
  return unchecked.areLowerHex() ? logs : readLogs(raw, watched, lowerHex);
}

function readLogs(raw: readonly unknown[], watched: Watched | undefined, digits: Digits): RawLog[] {
  const logs: RawLog[] = [];
  let last: RawLog | undefined;
  let lastItem: Item | undefined;
  for (const one of raw) {
    const item = recordOf(one, 'log');
    last = parseLog(item, last, lastItem, watched, digits);
    logs.push(last);
    lastItem = item;
  }
  return logs;
}

/** Hexadecimal digits behind `0x` whose check is left to the end. */
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

/** The watched addresses and topics, each by itself: ready to look up. */
export type Watched = {
  readonly addresses: ReadonlyMap<string, Hex>;
  readonly topics: ReadonlyMap<string, Hex>;
  /** Whether the request named the addresses, or left the filtering to us. */
  readonly byAddress: boolean;
};

/** Indexes a filter; `maxAddresses` is how many addresses a request may name. */
export function watchedOf(watch: WatchFilter, maxAddresses: number): Watched {
  return {
    addresses: new Map(watch.addresses.map((address) => [address, address])),
    topics: new Map(watch.topics.map((topic) => [topic, topic])),
    byAddress: watch.addresses.length <= maxAddresses,
  };
}

/**
 * The logs that were wanted. Throws `RpcInconsistency` unless all lie in the range and are ordered and unique by
 * `(block, log index)`, and none is of an address or topic that the request excluded.
 */
export function verifyLogs(logs: readonly RawLog[], from: number, to: number, watched: Watched): RawLog[] {
  verifyOrder(logs);
  return logs.filter((log) => {
    if (log.blockNumber < from || log.blockNumber > to) {
      throw new RpcInconsistency('a log lies outside the range that was asked for', {
        context: { from, to, number: log.blockNumber, logIndex: log.logIndex },
      });
    }
    const [topic] = log.topics;
    const known = watched.addresses.has(log.address);
    if (topic === undefined || !watched.topics.has(topic) || (watched.byAddress && !known)) {
      throw new RpcInconsistency('a log came that the filter excludes', {
        context: { number: log.blockNumber, logIndex: log.logIndex, address: log.address, topic },
      });
    }
    return known;
  });
}

/** Throws unless the logs are ordered and unique by `(block, log index)`. */
export function verifyOrder(logs: readonly RawLog[]): void {
  let last: RawLog | undefined;
  for (const log of logs) {
    if (last !== undefined && !isAfter(log, last)) {
      throw new RpcInconsistency('logs came out of order or twice', {
        context: { number: log.blockNumber, logIndex: log.logIndex, after: [last.blockNumber, last.logIndex] },
      });
    }
    last = log;
  }
}

/** Throws unless every log carries the hash of its block's header. */
export function verifyHashes(logs: readonly RawLog[], headers: ReadonlyMap<number, BlockHeader>): void {
  for (const log of logs) {
    const header = headers.get(log.blockNumber);
    if (header?.hash !== log.blockHash) {
      throw new RpcInconsistency('a log is of another block than its header', {
        context: { number: log.blockNumber, logIndex: log.logIndex, log: log.blockHash, header: header?.hash },
      });
    }
  }
}

function isAfter(log: RawLog, last: RawLog): boolean {
  return log.blockNumber > last.blockNumber || (log.blockNumber === last.blockNumber && log.logIndex > last.logIndex);
}

/** A quantity of JSON-RPC as a safe integer below `limit`. */
export function quantity(raw: unknown, what: string, limit: number = Number.MAX_SAFE_INTEGER): number {
  const fits = typeof raw === 'string' && raw.length > 2 && raw.length <= QUANTITY_CHARS_MAX;
  const value = fits && (isHex(raw) || isHex(raw.toLowerCase())) ? Number(raw) : Number.NaN;
  if (!Number.isSafeInteger(value) || value >= limit) throw malformed(what, raw);
  return value;
}

/** Gives a text back as `0x` and hexadecimal digits in lower case, or throws. */
type Digits = (text: string, what: string) => Hex;

/** Hexadecimal digits of a known length, in lower case. */
function hex(raw: unknown, chars: number, what: string, digits: Digits = lowerHex): Hex {
  if (typeof raw !== 'string' || raw.length !== chars) throw malformed(what, raw);
  return digits(raw, what);
}

/** Whole bytes, in lower case. */
function bytes(raw: unknown, what: string, digits: Digits = lowerHex): Hex {
  if (typeof raw !== 'string' || raw.length % 2 !== 0) throw malformed(what, raw);
  return digits(raw, what);
}

function lowerHex(raw: string, what: string): Hex {
  if (isHex(raw)) return raw;
  const lower = raw.toLowerCase();
  if (isHex(lower)) return lower;
  throw malformed(what, raw);
}

/** 1 for every UTF-16 unit that is a lower-case hexadecimal digit. Looking them up takes a third of a pattern's time. */
const IS_DIGIT = new Uint8Array(65_536);
for (const digit of '0123456789abcdef') IS_DIGIT[digit.charCodeAt(0)] = 1;

/** Whether a text is `0x` and lower-case hexadecimal digits. */
function isHex(text: string): text is Hex {
  if (!text.startsWith('0x')) return false;
  let all = 1;
  for (let at = 2; at < text.length; at++) all &= IS_DIGIT[text.charCodeAt(at)] as number;
  return all === 1;
}

/** A JSON object's members. */
export function recordOf(raw: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw malformed(what, raw);
  return raw as Record<string, unknown>;
}

function malformed(what: string, raw: unknown): RpcInconsistency {
  return new RpcInconsistency(`malformed ${what}`, { context: { value: String(JSON.stringify(raw)).slice(0, 100) } });
}
