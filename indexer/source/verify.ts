import type { BlockHeader, BlockRef, Hex, RawLog } from '../kernel/chain.ts';
import { AnchorMismatch, RpcInconsistency } from '../kernel/errors.ts';
import type { Watched } from './parse.ts';

/** Throws `RpcInconsistency` unless the header is of the requested block. */
export function verifyRequested(header: BlockHeader, requested: number | Hex): void {
  if (header.number !== requested && header.hash !== requested) {
    throw new RpcInconsistency('the node returned another block than the requested one', {
      context: { requested, number: header.number, hash: header.hash },
    });
  }
}

/** Throws `RpcInconsistency` unless the headers form a chain, and `AnchorMismatch` unless the first is a child of `anchor`. */
export function verifyLinks(headers: readonly BlockHeader[], anchor: BlockRef | undefined): void {
  let parent: BlockRef | undefined = anchor;
  for (const header of headers) {
    if (parent !== undefined && (header.number !== parent.number + 1 || header.parentHash !== parent.hash)) {
      const context = { number: header.number, parentHash: header.parentHash, expected: parent };
      if (parent === anchor)
        throw new AnchorMismatch('the first block of the range is not a child of the expected block', { context });
      throw new RpcInconsistency('two consecutive blocks are not linked by parent hash', { context });
    }
    parent = header;
  }
}

/**
 * Returns the logs of watched addresses. Throws `RpcInconsistency` unless all logs lie in the range, match the filter of the
 * request, and are ordered and unique by `(block, log index)`.
 */
export function verifyLogs(logs: readonly RawLog[], from: number, to: number, watched: Watched): RawLog[] {
  verifyOrder(logs);
  return logs.filter((log) => {
    if (log.blockNumber < from || log.blockNumber > to) {
      throw new RpcInconsistency('a log lies outside the requested range', {
        context: { from, to, number: log.blockNumber, logIndex: log.logIndex },
      });
    }
    const [topic] = log.topics;
    const known = watched.addresses.has(log.address);
    if (topic === undefined || !watched.topics.has(topic) || (watched.byAddress && !known)) {
      throw new RpcInconsistency('a log does not match the filter of the request', {
        context: { number: log.blockNumber, logIndex: log.logIndex, address: log.address, topic },
      });
    }
    return known;
  });
}

/** Throws `RpcInconsistency` unless the logs are ordered and unique by `(block, log index)`. */
export function verifyOrder(logs: readonly RawLog[]): void {
  let last: RawLog | undefined;
  for (const log of logs) {
    if (last !== undefined && !isAfter(log, last)) {
      throw new RpcInconsistency('logs are out of order or duplicated', {
        context: { number: log.blockNumber, logIndex: log.logIndex, after: [last.blockNumber, last.logIndex] },
      });
    }
    last = log;
  }
}

/** Throws `RpcInconsistency` unless every log carries the hash of its block's header. */
export function verifyHashes(logs: readonly RawLog[], headers: ReadonlyMap<number, BlockHeader>): void {
  for (const log of logs) {
    const header = headers.get(log.blockNumber);
    if (header?.hash !== log.blockHash) {
      throw new RpcInconsistency('the block hash of a log differs from that of its header', {
        context: { number: log.blockNumber, logIndex: log.logIndex, log: log.blockHash, header: header?.hash },
      });
    }
  }
}

function isAfter(log: RawLog, last: RawLog): boolean {
  return log.blockNumber > last.blockNumber || (log.blockNumber === last.blockNumber && log.logIndex > last.logIndex);
}
