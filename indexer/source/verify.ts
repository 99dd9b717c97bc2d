import type { BlockHeader, BlockRef, Hex, RawLog, WatchFilter } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';

/** A position is block × 2³² + log index, so an index must stay below 2³² (synthetic ones of some chains come close). */
const LOG_INDEX_LIMIT = 2 ** 32;
/** `block × 2³²` must fit PostgreSQL's `bigint`. */
const BLOCK_NUMBER_LIMIT = 2 ** 31;

const HASH = /^0x[0-9a-f]{64}$/;
const ADDRESS = /^0x[0-9a-f]{40}$/;
const BYTES = /^0x(?:[0-9a-f]{2})*$/;
const QUANTITY = /^0x[0-9a-f]{1,14}$/;

/** The first header of a range is no child of the block that the caller holds: most likely a reorganisation. */
export class AnchorMismatch extends RpcInconsistency {}

/** The header in a node's block (`eth_getBlockBy…`, `newHeads`). Throws `RpcInconsistency` where it has not that shape. */
export function parseHeader(raw: unknown): BlockHeader {
  const block = recordOf(raw, 'block');
  return {
    number: quantity(block.number, 'block number', BLOCK_NUMBER_LIMIT),
    hash: hex(block.hash, HASH, 'block hash'),
    parentHash: hex(block.parentHash, HASH, 'parent hash'),
    timestamp: quantity(block.timestamp, 'block timestamp'),
    // Where a chain serves none it proves nothing, like one of zeros.
    logsBloom: typeof block.logsBloom === 'string' ? hex(block.logsBloom, BYTES, 'logs bloom') : '0x',
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

/** A node's log, in lower case. Throws `RpcInconsistency` where it has not that shape, is pending or was removed. */
function parseLog(raw: unknown): RawLog {
  const log = recordOf(raw, 'log');
  if (log.removed === true) throw new RpcInconsistency('a log that was removed was given as if it stood');
  if (!Array.isArray(log.topics) || log.topics.length > 4) throw new RpcInconsistency('a log without its topics');
  return {
    address: hex(log.address, ADDRESS, 'log address'),
    topics: log.topics.map((topic) => hex(topic, HASH, 'log topic')),
    data: hex(log.data, BYTES, 'log data'),
    blockNumber: quantity(log.blockNumber, 'block number of a log', BLOCK_NUMBER_LIMIT),
    blockHash: hex(log.blockHash, HASH, 'block hash of a log'),
    transactionHash: hex(log.transactionHash, HASH, 'transaction hash of a log'),
    logIndex: quantity(log.logIndex, 'log index', LOG_INDEX_LIMIT),
  };
}

/** A node's list of logs. Anything but a list is an inconsistency, never an empty one. */
export function parseLogs(raw: unknown): RawLog[] {
  if (!Array.isArray(raw)) throw new RpcInconsistency('no list of logs');
  return raw.map(parseLog);
}

/** The watched addresses and topics, ready to look up. */
export type Watched = {
  readonly addresses: ReadonlySet<Hex>;
  readonly topics: ReadonlySet<Hex>;
  /** Whether the request named the addresses, or left the filtering to us. */
  readonly byAddress: boolean;
};

/** Indexes a filter; `maxAddresses` is how many addresses a request may name. */
export function watchedOf(watch: WatchFilter, maxAddresses: number): Watched {
  return {
    addresses: new Set(watch.addresses),
    topics: new Set(watch.topics),
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
  const value = typeof raw === 'string' && QUANTITY.test(raw.toLowerCase()) ? Number(raw) : Number.NaN;
  if (!Number.isSafeInteger(value) || value >= limit) throw malformed(what, raw);
  return value;
}

function hex(raw: unknown, shape: RegExp, what: string): Hex {
  const value = typeof raw === 'string' ? raw.toLowerCase() : '';
  if (!shape.test(value)) throw malformed(what, raw);
  return value as Hex;
}

/** A JSON object's members. */
export function recordOf(raw: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw malformed(what, raw);
  return raw as Record<string, unknown>;
}

function malformed(what: string, raw: unknown): RpcInconsistency {
  return new RpcInconsistency(`malformed ${what}`, { context: { value: String(JSON.stringify(raw)).slice(0, 100) } });
}
