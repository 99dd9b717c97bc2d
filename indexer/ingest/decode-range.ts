import { deadLetters } from '../facts/dead-letters.ts';
import { type DecodedBatch, FactLists } from '../facts/fact-lists.ts';
import type { Origin, Receipts } from '../facts/origin.ts';
import type { Hex, RawLog, VerifiedRange } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';
import type { Protocol } from '../protocols/protocol.ts';
import { misfit, type Sink } from '../protocols/shared/decoder.ts';
import type { ContractIndex, IndexedContract } from './contract-index.ts';

/** Returns the transactions, each once and in the order of the logs, whose receipts `decodeRange` needs. */
export function receiptsNeeded(range: VerifiedRange, contracts: ContractIndex): Hex[] {
  const hashes = new Set<Hex>();
  for (const log of range.logs) {
    const topic = log.topics[0];
    if (topic === undefined) continue;
    const needs = contracts.byAddress
      .get(log.address)
      ?.some(
        (indexed) => indexed.protocol.events.get(topic)?.needsReceipt === true && speaksAt(indexed, log.blockNumber),
      );
    if (needs === true) hashes.add(log.transactionHash);
  }
  return [...hashes];
}

/**
 * Returns the facts of a range's logs.
 *
 * Logs of other addresses, without topics, or with a first topic that the contract's ABI does not name are ignored. A log
 * whose first topic it names and that does not fit exactly is a dead letter. A contract that cannot be indexed is reported
 * in `quarantined`. Its logs behind the one that shows it are not decoded; the commit leaves out the facts before it.
 *
 * @param receipts by transaction hash: those of `receiptsNeeded`
 * @throws {RpcInconsistency} when a block with logs has no header of the same hash, or a receipt contradicts its logs
 */
export function decodeRange(range: VerifiedRange, contracts: ContractIndex, receipts: Receipts): DecodedBatch {
  const sink: Sink = { facts: new FactLists(), quarantined: [], receipts, kept: new Map() };
  const timestamps = timestampReader(range);
  const spoken = new Set<Protocol>();
  for (const log of range.logs) {
    const followed = contracts.byAddress.get(log.address);
    if (followed === undefined) continue;
    const timestamp = timestamps(log);
    for (const indexed of followed) {
      const { contract, protocol } = indexed;
      if (!speaksAt(indexed, log.blockNumber)) continue;
      spoken.add(protocol);
      decodeLog({ contract, log, timestamp }, protocol, sink);
    }
  }
  for (const { finish } of spoken) finish?.(sink.facts);
  return { facts: sink.facts, quarantined: sink.quarantined };
}

/** Returns whether a contract speaks the protocol of an entry in a block. */
function speaksAt({ fromBlock, toBlock }: IndexedContract, block: number): boolean {
  return fromBlock <= block && block <= toBlock;
}

function decodeLog(origin: Origin, { events }: Protocol, sink: Sink): void {
  const { log, contract } = origin;
  const event = log.topics[0] === undefined ? undefined : events.get(log.topics[0]);
  if (event === undefined) return;
  if (sink.quarantined.length > 0 && sink.quarantined.some((one) => one.contract === contract)) return;
  const fits = log.topics.length === event.topics && log.data.length === event.dataLength && event.decode(origin, sink);
  if (!fits) sink.facts.of(deadLetters).push({ ...origin, reason: misfit(event, log) });
}

/** Returns a function that gives the timestamp of a log's block. Logs must come in order, so that each header is read once. */
function timestampReader({ headers, chainId }: VerifiedRange): (log: RawLog) => number {
  let index = 0;
  return ({ blockNumber, blockHash }) => {
    while (index < headers.length && (headers[index]?.number ?? 0) < blockNumber) index++;
    const header = headers[index];
    if (header === undefined || header.number !== blockNumber || header.hash !== blockHash) {
      throw new RpcInconsistency('a log is of a block whose header is not in the range', {
        context: { chainId, blockNumber, blockHash },
      });
    }
    return header.timestamp;
  };
}
