import { deadLetters } from '../facts/dead-letters.ts';
import { type DecodedBatch, FactLists } from '../facts/fact-lists.ts';
import type { Origin, Receipts } from '../facts/origin.ts';
import type { Hex, RawLog, VerifiedRange } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';
import type { Protocol } from '../protocols/protocol.ts';
import { describeMisfit, hasShapeOf, type Sink } from '../protocols/shared/decoder.ts';
import type { ContractIndex, IndexedContract } from './contract-index.ts';

/** Returns the hashes of the transactions whose receipts `decodeRange` needs, without duplicates and in the order of their logs. */
export function receiptsNeeded(range: VerifiedRange, contracts: ContractIndex): Hex[] {
  const hashes = new Set<Hex>();
  for (const log of range.logs) {
    const topic = log.topics[0];
    if (topic === undefined) continue;
    const needs = contracts.byAddress
      .get(log.address)
      ?.some(
        (indexed) => indexed.protocol.events.get(topic)?.needsReceipt === true && appliesAt(indexed, log.blockNumber),
      );
    if (needs === true) hashes.add(log.transactionHash);
  }
  return [...hashes];
}

/**
 * Decodes the logs of a range into facts.
 *
 * Logs of addresses that are not followed, logs without topics, and logs whose first topic is not an event of the contract's ABI are
 * ignored. A log whose first topic is an event of the ABI, but whose content does not match it exactly, becomes a dead letter. A contract
 * that cannot be indexed is reported in `quarantined`. Its later logs are not decoded. The commit also leaves out the facts of its earlier
 * logs.
 *
 * @param receipts the receipts of the transactions that `receiptsNeeded` returns
 * @throws {RpcInconsistency} if a log names another block hash than the header of its block has, if that header is missing and the log
 * names no timestamp, or if a receipt contradicts the logs
 */
export function decodeRange(range: VerifiedRange, contracts: ContractIndex, receipts: Receipts): DecodedBatch {
  const sink: Sink = { facts: new FactLists(), quarantined: [], receipts, rangeValues: new Map() };
  const timestampOf = timestampReader(range);
  const applied = new Set<Protocol>();
  for (const log of range.logs) {
    const followed = contracts.byAddress.get(log.address);
    if (followed === undefined) continue;
    const timestamp = timestampOf(log);
    for (const indexed of followed) {
      const { contract, protocol } = indexed;
      if (!appliesAt(indexed, log.blockNumber)) continue;
      applied.add(protocol);
      decodeLog({ contract, log, timestamp }, protocol, sink);
    }
  }
  for (const { finish } of applied) finish?.(sink.facts);
  return { facts: sink.facts, quarantined: sink.quarantined };
}

/** Returns whether the protocol of an entry of the index decodes the logs of the entry's contract in a block. */
function appliesAt({ fromBlock, toBlock }: IndexedContract, block: number): boolean {
  return fromBlock <= block && block <= toBlock;
}

function decodeLog(origin: Origin, { events }: Protocol, sink: Sink): void {
  const { log, contract } = origin;
  const event = log.topics[0] === undefined ? undefined : events.get(log.topics[0]);
  if (event === undefined) return;
  if (sink.quarantined.length > 0 && sink.quarantined.some((quarantine) => quarantine.contract === contract)) return;
  const isDecoded = hasShapeOf(event, log) && event.decode(origin, sink);
  if (!isDecoded) sink.facts.of(deadLetters).push({ ...origin, reason: describeMisfit(event, log) });
}

/**
 * Returns a function that returns the timestamp of a log's block: from the header, or from the log if the header was not read. The
 * returned function must be called in the order of the logs.
 */
function timestampReader({ headers, chainId }: VerifiedRange): (log: RawLog) => number {
  let index = 0;
  return ({ blockNumber, blockHash, blockTimestamp }) => {
    while (index < headers.length && (headers[index]?.number ?? 0) < blockNumber) index++;
    const header = headers[index];
    if (header?.number !== blockNumber && blockTimestamp !== undefined) return blockTimestamp;
    if (header === undefined || header.number !== blockNumber || header.hash !== blockHash) {
      throw new RpcInconsistency('the header of a log is missing from the range', {
        context: { chainId, blockNumber, blockHash },
      });
    }
    return header.timestamp;
  };
}
