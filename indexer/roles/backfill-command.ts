import { randomUUID } from 'node:crypto';
import { queueSettings } from '../backfill/queue-server.ts';
import { type BackfillRequest, endRequest, recordRequest } from '../backfill/requests.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { buildDeferredIndexes, countDeferredIndexes } from '../db/deferred-indexes.ts';
import { runDatabaseUpkeep } from '../db/upkeep.ts';
import type { Hex } from '../kernel/chain.ts';
import { messageOf, UsageError } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import { LeaderElection } from '../progress/leader.ts';
import { forgetFailedProofs } from '../progress/proof.ts';
import { describedTables } from '../protocols/protocols.ts';
import { loadContracts } from '../registry/contracts.ts';
import { createMeters } from '../rpc/meter.ts';
import { createChainProof } from './chain-proof.ts';
import { ChainWork } from './chain-work.ts';
import type { BackfillProgress } from './progress-meter.ts';
import { recordSpending } from './record-spending.ts';
import { type RequestOutcome, watchRequest } from './watch-request.ts';

/** Dependencies and arguments of the backfill command. The caller opens and closes the database. */
export type BackfillInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly chain: ChainConfig;
  readonly from: number;
  /** The last block. If undefined, the remote head when the command starts. */
  readonly to: number | undefined;
  /** The addresses of the contracts to fill. Null means all contracts. */
  readonly contracts: readonly Hex[] | null;
  readonly concurrency: number;
  /** Whether the facts of the range must also be compared with the block headers (proved). */
  readonly proved: boolean;
};

/** How a backfill ended. */
export type BackfillOutcome = RequestOutcome & {
  /** Number of indexes that an initial load dropped and that are not built again yet. */
  readonly indexesLeft: number;
};

/**
 * Fills a range of a chain until coverage proves it complete or nothing more can be done.
 *
 * Running daemons and workers share the work. If no other process leads the chain, this one follows it, because only blocks up to the
 * committed head can be filled.
 *
 * @throws {UsageError} for a range or contracts that do not exist.
 */
export async function runBackfill(
  given: BackfillInput,
  onProgress: (progress: BackfillProgress) => void,
  signal: AbortSignal,
): Promise<BackfillOutcome> {
  const meters = createMeters(given.chain.rpcUrls, given.runtime.now);
  const input = { ...given, meters };
  const { database, config, runtime } = input;
  const stopRecording = recordSpending(input, [{ chainId: input.chain.chainId, meters }]);
  const id = randomUUID();
  let followed = 0;
  const scope = { standing: false, request: id };
  const queue = queueSettings(config);
  const work = new ChainWork({ ...input, queue, scope, onCommit: (facts) => (followed += facts) });
  const election = new LeaderElection(database.sessions, runtime.random);
  try {
    await work.source.checkChainId(signal);
    const request = await record(input, id, work, signal);
    work.begin();
    if (input.proved) await forgetFailedProofs(database.kysely, request.chainId, request);
    const ended = new AbortController();
    const working = AbortSignal.any([signal, ended.signal]);
    const proof = input.proved ? createChainProof({ ...input, scope: request }) : undefined;
    const parts = [
      proof?.run(working).finally(() => proof.close()),
      work.follow(election, working),
      work.backfill.run(working),
      runDatabaseUpkeep(database, describedTables, input.log, working),
    ];
    let outcome: RequestOutcome;
    try {
      const events = () => work.backfill.figures.facts + followed;
      outcome = await watchRequest({ ...input, request, work, events, onProgress }, signal);
    } finally {
      ended.abort();
      await Promise.allSettled(parts);
      await endRequest(database.kysely, id, 'cancelled').catch(() => undefined);
    }
    return { ...outcome, indexesLeft: await endLoad(input, signal) };
  } finally {
    work.source.close();
    await stopRecording();
  }
}

/** Builds the indexes that an initial load deferred. Returns how many are still not built. */
async function endLoad({ database, log }: BackfillInput, signal: AbortSignal): Promise<number> {
  try {
    const indexes = await countDeferredIndexes(database.kysely);
    if (indexes === 0 || signal.aborted) return indexes;
    log.info({ indexes }, 'building deferred indexes');
    await buildDeferredIndexes(database, signal);
    return await countDeferredIndexes(database.kysely);
  } catch (error) {
    if (!signal.aborted) log.warn({ reason: messageOf(error), err: error }, 'building deferred indexes failed');
    return countDeferredIndexes(database.kysely).catch(() => 0);
  }
}

/** Records a request to fill a range, and leaves the filling to running daemons and workers. */
export async function requestBackfill(input: BackfillInput, signal: AbortSignal): Promise<BackfillRequest> {
  const { config, chain, runtime } = input;
  const meters = createMeters(chain.rpcUrls, runtime.now);
  const stopRecording = recordSpending(input, [{ chainId: chain.chainId, meters }]);
  const work = new ChainWork({ ...input, meters, queue: queueSettings(config), scope: { standing: false } });
  try {
    return await record(input, randomUUID(), work, signal);
  } finally {
    work.source.close();
    await stopRecording();
  }
}

async function record(
  { database, chain: { chainId }, from, to, contracts }: BackfillInput,
  id: string,
  { source }: ChainWork,
  signal: AbortSignal,
): Promise<BackfillRequest> {
  const head = (await source.head(signal)).number;
  const end = to ?? head;
  if (end > head) throw new UsageError(`block ${end} does not exist yet: chain ${chainId} is at block ${head}`);
  if (from > head) throw new UsageError(`block ${from} does not exist yet: chain ${chainId} is at block ${head}`);
  if (from > end) throw new UsageError(`the range is empty: it begins at block ${from} and ends at block ${end}`);
  const registry = await loadContracts(database.kysely, chainId);
  if (registry.contracts.every(({ status }) => status === 'removed')) {
    throw new UsageError(`no contract is registered on chain ${chainId}; add one with: indexer contracts add`);
  }
  const known = new Set(registry.contracts.filter(({ status }) => status !== 'removed').map(({ address }) => address));
  const unknown = contracts?.filter((address) => !known.has(address)) ?? [];
  if (unknown.length > 0) {
    throw new UsageError(
      `not registered on chain ${chainId}: ${unknown.join(', ')}; add it with: indexer contracts add`,
    );
  }
  return recordRequest(database.kysely, { id, chainId, from, to: end, contracts });
}
