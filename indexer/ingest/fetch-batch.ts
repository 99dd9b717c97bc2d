import { type EncodedBatch, encodeBatch } from '../facts/encoded-batch.ts';
import type { Receipt, Receipts } from '../facts/origin.ts';
import type { Hex, VerifiedRange } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';
import { factTables } from '../protocols/protocols.ts';
import { isOfOtherBlock } from '../source/receipts.ts';
import type { RangeRequest, Source } from '../source/source.ts';
import type { ContractIndex } from './contract-index.ts';
import { cutRange } from './cut-range.ts';
import { decodeRange, receiptsNeeded } from './decode-range.ts';

/** A verified range without its logs, which were decoded into facts. */
export type ReadRange = Omit<VerifiedRange, 'logs'>;

/** A range that was read from the chain, and its facts. */
export type FetchedRange = { readonly range: ReadRange; readonly batch: EncodedBatch };

/** Limits the facts of one batch and so the memory of a commit. The remaining blocks are left to the next range. */
const FACTS_MAX = 100_000;
const RECEIPT_CONCURRENCY = 8;

/**
 * Reads a range for a set of contracts, and decodes its logs into facts. Also reads the receipts that some logs need, such as dividend
 * claims. The returned range may end before the requested one, so callers must continue after its `to`.
 */
export async function fetchBatch(
  source: Source,
  contracts: ContractIndex,
  request: Omit<RangeRequest, 'watch'>,
  signal: AbortSignal,
): Promise<FetchedRange> {
  const verified = cutRange(
    await source.fetchRange({ ...request, watch: contracts.watch }, signal),
    contracts,
    FACTS_MAX,
  );
  let receipts: Receipts;
  try {
    receipts = await readReceipts(source, verified, receiptsNeeded(verified, contracts), signal);
  } catch (error) {
    // A receipt is of another block than its log names. If the log is wrong, the header of the block shows it. So the range is read again
    // with the headers of all blocks with logs.
    if (!isOfOtherBlock(error) || request.strict || request.readsHeadersOfLogs === true) throw error;
    return fetchBatch(source, contracts, { ...request, readsHeadersOfLogs: true }, signal);
  }
  const { logs: _, ...range } = verified;
  return { range, batch: encodeBatch(decodeRange(verified, contracts, receipts), factTables) };
}

async function readReceipts(
  source: Source,
  range: VerifiedRange,
  wanted: readonly Hex[],
  signal: AbortSignal,
): Promise<Receipts> {
  const receipts = new Map<Hex, Receipt>();
  if (wanted.length === 0) return receipts;
  const blocks = new Map(range.logs.map((log) => [log.transactionHash, log.blockHash]));
  for (let next = 0; next < wanted.length; next += RECEIPT_CONCURRENCY) {
    await Promise.all(
      wanted.slice(next, next + RECEIPT_CONCURRENCY).map(async (hash) => {
        const blockHash = blocks.get(hash);
        if (blockHash === undefined)
          throw new RpcInconsistency('a receipt was requested for a transaction without logs', { context: { hash } });
        receipts.set(hash, await source.receipt(hash, blockHash, signal));
      }),
    );
  }
  return receipts;
}
