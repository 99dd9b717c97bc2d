import type { Hex, RawLog, VerifiedRange } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';
import { claimSettler } from '../protocols/dividend/claim-settler.ts';
import { priceMints } from '../protocols/erc721c/decoders.ts';
import type { DecodedBatch, Origin, Quarantine, Receipt } from '../protocols/shared/decoded-batch.ts';
import { misfit, type Sink } from '../protocols/shared/decoder.ts';
import type { ContractIndex, IndexedContract } from './contract-index.ts';
import { filterBatch } from './filter-batch.ts';

/** The transactions, each once and in the order of the logs, whose receipts `decodeRange` needs. */
export function receiptsNeeded(range: VerifiedRange, contracts: ContractIndex): Hex[] {
  const hashes = new Set<Hex>();
  for (const log of range.logs) {
    const topic = log.topics[0];
    if (topic === undefined) continue;
    const needs = contracts.byAddress
      .get(log.address)
      ?.some((indexed) => indexed.decoders.receiptTopics.has(topic) && decodesBlock(indexed, log.blockNumber));
    if (needs === true) hashes.add(log.transactionHash);
  }
  return [...hashes];
}

/**
 * The facts of a range's logs.
 *
 * Logs of other addresses, without topics, or with a first topic that the contract's ABI does not name are ignored. A log
 * whose first topic it names and that does not fit exactly is a dead letter. A contract that cannot be indexed is reported
 * in `quarantined`, with the block from which on the batch holds no fact of it.
 *
 * @param receipts by transaction hash: those of `receiptsNeeded`
 * @throws RpcInconsistency when a block with logs has no header of the same hash, or a receipt contradicts its logs
 */
export function decodeRange(
  range: VerifiedRange,
  contracts: ContractIndex,
  receipts: ReadonlyMap<Hex, Receipt>,
): DecodedBatch {
  const sink = emptySink(receipts);
  const timestamps = timestampReader(range);
  for (const log of range.logs) {
    const followed = contracts.byAddress.get(log.address);
    if (followed === undefined) continue;
    const timestamp = timestamps(log);
    for (const indexed of followed) {
      if (!decodesBlock(indexed, log.blockNumber)) continue;
      decodeLog({ contract: indexed.contract, log, timestamp }, indexed.decoders, sink);
    }
  }
  priceMints(sink);
  const { claims: _claims, consecutiveTokens: _tokens, ...batch } = sink;
  return batch.quarantined.length === 0 ? batch : withoutQuarantined(batch, batch.quarantined);
}

/** Whether a contract's ABI version is the one of a block. */
function decodesBlock({ fromBlock, toBlock }: IndexedContract, block: number): boolean {
  return fromBlock <= block && block <= toBlock;
}

function decodeLog(origin: Origin, decoders: IndexedContract['decoders'], sink: Sink): void {
  const { log, contract } = origin;
  const event = log.topics[0] === undefined ? undefined : decoders.events.get(log.topics[0]);
  if (event === undefined) return;
  if (sink.quarantined.length > 0 && sink.quarantined.some((one) => one.contract === contract)) return;
  const fits = log.topics.length === event.topics && log.data.length === event.dataLength && event.decode(origin, sink);
  if (!fits) sink.deadLetters.push({ ...origin, reason: misfit(event, log) });
}

function emptySink(receipts: ReadonlyMap<Hex, Receipt>): Sink {
  return {
    nftTransfers: [],
    tokenTransfers: [],
    poolEvents: [],
    dividendEvents: [],
    dividendClaims: [],
    contractEvents: [],
    deadLetters: [],
    quarantined: [],
    claims: claimSettler(receipts),
    consecutiveTokens: new Map(),
  };
}

function withoutQuarantined(batch: DecodedBatch, quarantined: readonly Quarantine[]): DecodedBatch {
  return filterBatch(
    batch,
    (kind, address, blockNumber) =>
      !quarantined.some(
        ({ contract, blockNumber: from }) =>
          contract.kind === kind && contract.address === address && blockNumber >= from,
      ),
  );
}

/** Reads the timestamp of a log's block; logs must come in their order, so that each header is looked at once. */
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
