import type { Database } from '../db/database.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { FullReading, Source } from '../source/source.ts';
import { contractIndex } from './contract-index.ts';
import { type FetchedRange, fetchBatch } from './fetch-batch.ts';
import { findDifferences, type RepairCause, repairRange } from './prove.ts';

const LOGS_MAX = 20_000;

/** Covered blocks of some contracts, and how to read them. */
export type BlockReading = BlockRange & {
  readonly contracts: readonly RegisteredContract[];
  readonly inFull: FullReading;
};

/** Reads the logs of blocks in full, that is, with every header. The returned range may end before the requested one. */
export function readInFull(
  source: Source,
  { from, to, contracts, inFull }: BlockReading,
  signal: AbortSignal,
): Promise<FetchedRange> {
  const request = { from, to, strict: false, inFull, maxLogs: LOGS_MAX };
  return fetchBatch(source, contractIndex(contracts), request, signal);
}

/** Dependencies of a repair of blocks. */
export type BlockRepairDeps = {
  readonly database: Database;
  readonly source: Source;
  readonly log: Logger;
  readonly chainId: number;
};

/** Covered blocks to read from their receipts, and why. */
export type BlockRepair = Omit<BlockReading, 'inFull'> & RepairCause;

/**
 * Reads the logs of blocks from receipts, and repairs the facts of the contracts where they differ from these logs. Returns the last
 * block read, and the number of facts changed.
 */
export async function repairBlocks(
  { database, source, log, chainId }: BlockRepairDeps,
  { from: first, to, contracts, cause, endpoints: faulty }: BlockRepair,
  signal: AbortSignal,
): Promise<{ readonly to: number; readonly changed: number }> {
  let changed = 0;
  let next = first;
  while (next <= to) {
    const seen = await readChain(database.kysely, chainId);
    const { range, batch } = await readInFull(source, { from: next, to, contracts, inFull: 'receipts' }, signal);
    next = range.to + 1;
    const full = { seen, range, batch, contracts };
    if ((await findDifferences(database, full, 'covered')).length === 0) continue;
    const endpoints = [...new Set([...faulty, ...(range.faultyEndpoints ?? [])])];
    const { added, removed } = await repairRange(database, full, { cause, endpoints });
    changed += added + removed;
    const context = { chain: chainId, from: range.from, to: range.to, cause, added, removed, endpoints };
    log.error(context, 'facts repaired');
  }
  return { to: next - 1, changed };
}
