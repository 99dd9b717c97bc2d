import type { BlockHeader, Hex, RawLog } from '../kernel/chain.ts';
import { ConfigError, RpcError, RpcInconsistency } from '../kernel/errors.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { areProvedComplete, type BlockLogs, completeLogs, readBlockLogs } from './block-logs.ts';
import type { Watched } from './parse.ts';
import type { ReaderDeps, RemainingRange } from './remaining-range.ts';
import { areEqualLogs, setAsideForLogs } from './wrong-logs.ts';

/**
 * What one endpoint returned for the next blocks of a range, up to block `to`. Headers and logs are consistent with each other, and the
 * first block is a child of the last block of the part before. Below the finalized block, some headers may not have been read.
 */
export type Part = {
  readonly to: number;
  readonly headers: readonly BlockHeader[];
  readonly logs: readonly RawLog[];
  /** Set if another endpoint gave different logs for this part. The part must then be read again, with every header. */
  readonly isDisputed?: boolean;
  /** See `VerifiedRange.unconfirmedBlocks`. A block may be repeated. */
  readonly unconfirmed?: readonly number[];
  /** See `VerifiedRange.otherConfirmed`. */
  readonly otherConfirmed?: boolean;
  /** See `VerifiedRange.comparedInPart`. */
  readonly comparedInPart?: boolean;
};

/**
 * Compares the logs of a part with the blooms of its headers. Where a bloom proves that logs are missing, adds them from receipts.
 * Returns the part, and whether it lacked logs.
 */
export async function addLogsProvenByBloom(
  deps: ReaderDeps,
  endpoint: Endpoint,
  part: Part,
  { watched, inFull, strict, faultyEndpoints, unprovedBlocks }: RemainingRange,
  signal: AbortSignal | undefined,
): Promise<{ readonly part: Part; readonly lackedLogs: boolean }> {
  if (watched === undefined) return { part, lackedLogs: false };
  const byBlock: Map<number, readonly RawLog[]> = Map.groupBy(part.logs, (log) => log.blockNumber);
  const unconfirmed = new Set(part.unconfirmed);
  let changed = false;
  for (const header of part.headers) {
    const received = byBlock.get(header.number) ?? [];
    const suspects = deps.blooms.suspects(header.logsBloom, watched, received, inFull !== undefined);
    if (suspects.length === 0) continue;
    const proven = await readProvenLogs(deps, endpoint, { header, suspects, strict }, signal);
    const logs = filterWatched(completeLogs(header, proven, received), watched);
    if (!areProvedComplete(deps.blooms, header, proven)) unprovedBlocks.add(header.number);
    if (proven.isProved) unconfirmed.delete(header.number);
    else if (part.unconfirmed !== undefined && deps.pool.endpoints().length > 1) unconfirmed.add(header.number);
    if (areEqualLogs(logs, received)) continue;
    changed = true;
    faultyEndpoints.add(endpoint.name);
    setAsideForLogs(endpoint, { given: received, truth: logs, isUnfinalized: strict }, [header.number], watched);
    byBlock.set(header.number, logs);
    const detail = `block ${header.number}: the response had ${received.length} logs, and differs from the ${logs.length} of the receipts`;
    deps.notice({ event: 'inconsistent response', endpoint: endpoint.name, detail });
  }
  const checked = { ...part, unconfirmed: [...unconfirmed] };
  if (!changed) return { part: checked, lackedLogs: false };
  return {
    part: { ...checked, logs: part.headers.flatMap(({ number }) => byBlock.get(number) ?? []) },
    lackedLogs: true,
  };
}

/** A block, and the watched addresses whose logs are missing according to its bloom. */
type SuspectBlock = { readonly header: BlockHeader; readonly suspects: readonly Hex[]; readonly strict: boolean };

/**
 * Reads all logs of a block from its receipts. These logs must set all bloom bits of the suspects, or another endpoint's receipts are read.
 * Asks `endpoint` last, because it gave the answer that seems to lack logs.
 */
async function readProvenLogs(
  deps: ReaderDeps,
  endpoint: Endpoint,
  { header, suspects, strict }: SuspectBlock,
  signal: AbortSignal | undefined,
): Promise<BlockLogs> {
  const { pool, blooms } = deps;
  let failure: unknown;
  for (const candidate of [...pool.endpoints().filter((other) => other !== endpoint), endpoint]) {
    try {
      const read = await readBlockLogs(deps, candidate, header, signal, strict ? 'unknown-block' : 'pruned');
      if (suspects.every((address) => blooms.explains(read.logs, address))) return read;
      failure = unexplained(header, suspects);
    } catch (error) {
      if (!isEndpointError(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Creates the error for receipts that lack logs of these addresses according to the bloom of their block. */
export function unexplained({ number, hash }: BlockHeader, addresses: readonly Hex[]): RpcInconsistency {
  return new RpcInconsistency('the bloom of a block proves logs that its receipts do not contain', {
    context: { number, hash, addresses },
  });
}

function isEndpointError(error: unknown): boolean {
  return error instanceof RpcError || error instanceof RpcInconsistency || error instanceof ConfigError;
}

/** Returns the logs that match the filter. */
export function filterWatched(logs: readonly RawLog[], { addresses, topics }: Watched): RawLog[] {
  return logs.filter(({ address, topics: [topic] }) => addresses.has(address) && topics.has(topic ?? '0x'));
}
