import { randomUUID } from 'node:crypto';
import { queueSettings } from '../backfill/queue-server.ts';
import {
  type BackfillRequest,
  endRequest,
  type FailedRange,
  failedIn,
  progressOf,
  type RequestProgress,
  recordRequest,
  statusOf,
} from '../backfill/requests.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { buildDeferredIndexes, countDeferredIndexes } from '../db/deferred-indexes.ts';
import { runDatabaseUpkeep } from '../db/upkeep.ts';
import type { Hex } from '../kernel/chain.ts';
import { messageOf, UsageError } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import { LeaderElection } from '../progress/leader.ts';
import { type FailedProof, failedProofs, forgetFailedProofs, proofProgress } from '../progress/proof.ts';
import { describedTables } from '../protocols/protocols.ts';
import { loadContracts } from '../registry/contracts.ts';
import { settleIpoSupplies } from '../registry/ipo-supplies.ts';
import { settleRevenueLinks } from '../registry/revenue-links.ts';
import { createMeters } from '../rpc/meter.ts';
import { advanceStages, Stride } from '../stages/advance-stages.ts';
import { stages } from '../stages/stages.ts';
import { createChainProof } from './chain-proof.ts';
import { ChainWork } from './chain-work.ts';
import { type BackfillProgress, ProgressMeter } from './progress-meter.ts';
import { recordSpending } from './record-spending.ts';

/** Dependencies and arguments of the backfill command. The caller opens and closes the database. */
export type BackfillInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly chain: ChainConfig;
  readonly from: number;
  /** The last block. Undefined: the chain's head when the command starts. */
  readonly to: number | undefined;
  /** Null means all contracts. */
  readonly contracts: readonly Hex[] | null;
  readonly concurrency: number;
  /** Whether the facts of the range must also be compared with the block headers (proved). */
  readonly proved: boolean;
};

/** How a backfill ended. */
export type BackfillOutcome = {
  readonly request: BackfillRequest;
  /**
   * `complete`: all blocks are covered, and proved if that was requested. `unproved`: covered, but some blocks cannot be proved.
   * `incomplete`: some blocks cannot be filled. `stopped`: by a signal. `halted`: the chain is halted until an operator repairs it.
   */
  readonly ended: 'complete' | 'unproved' | 'incomplete' | 'stopped' | 'cancelled' | 'halted';
  readonly events: number;
  readonly incomplete: RequestProgress['incomplete'];
  readonly dead: readonly FailedRange[];
  /** The blocks that could not be proved. */
  readonly unproved: readonly FailedProof[];
  /** Why the chain halted. */
  readonly reason?: string;
  /** Number of indexes that an initial load dropped and that are not built again yet. */
  readonly indexesLeft: number;
};

const CHECK_INTERVAL_MS = 200;
/** The pause after a check is at least this many times as long as the check, which is slow with thousands of contracts. */
const CHECK_PAUSE_FACTOR = 9;
const CHECK_BACKOFF: Backoff = { baseMs: 500, maxMs: 10_000 };
const REPORT_INTERVAL_MS = 1_000;

/**
 * Fills a range of a chain until coverage proves it complete or nothing more can be done.
 *
 * Running daemons and workers share the work. If no other process leads the chain, this one follows its head, because only blocks up to
 * the head can be filled.
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
    let outcome: Watched;
    try {
      const events = () => work.backfill.figures.facts + followed;
      outcome = await watch({ ...input, request, work, events, onProgress }, signal);
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

/** Records a request and leaves it to running daemons and workers. */
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

type Watched = Omit<BackfillOutcome, 'indexesLeft'>;

type Watching = BackfillInput & {
  readonly request: BackfillRequest;
  readonly work: ChainWork;
  readonly events: () => number;
  readonly onProgress: (progress: BackfillProgress) => void;
};

/** Checks coverage until it proves the request complete, or shows that nothing more can be done. */
async function watch(watching: Watching, signal: AbortSignal): Promise<Watched> {
  const { database, request, work, events, onProgress, log, runtime } = watching;
  const meter = new ProgressMeter(runtime.now);
  const retry = new Retry(CHECK_BACKOFF, runtime.random);
  let blocksLeft: number | undefined;
  const proving: Proving = { blocksLeft: undefined, isWaiting: false };
  const report = () => {
    if (blocksLeft === undefined) return;
    const { lastBlocks, retries } = work.backfill.figures;
    const proof = blocksLeft > 0 || proving.blocksLeft === undefined ? {} : provedOf(request, proving.blocksLeft);
    onProgress({ ...meter.read(blocksLeft, events()), rangeBlocks: lastBlocks, retries, ...proof });
  };
  // Report on a timer, so that progress is also shown while the database does not answer.
  const reporting = setInterval(report, REPORT_INTERVAL_MS);
  try {
    for (;;) {
      let delayMs: number;
      const begunAt = runtime.now();
      try {
        const left = await progressOf(database.kysely, request);
        const isNews = blocksLeft === undefined || (blocksLeft > 0 && left.blocksLeft === 0);
        blocksLeft = left.blocksLeft;
        if (isNews) report();
        const wasProving = proving.blocksLeft !== undefined;
        const ended = await endOf(watching, left, proving);
        if (ended !== undefined) return ended;
        if (!wasProving && proving.blocksLeft !== undefined) report();
        retry.succeeded();
        delayMs = Math.max(CHECK_INTERVAL_MS, CHECK_PAUSE_FACTOR * (runtime.now() - begunAt));
      } catch (error) {
        delayMs = retry.failed();
        const context = { chain: request.chainId, reason: messageOf(error), retryInMs: delayMs, err: error };
        if (!signal.aborted) log.warn(context, 'checking which blocks are filled failed and is tried again');
      }
      if (signal.aborted)
        return { request, ended: 'stopped', events: events(), incomplete: [], dead: [], unproved: [] };
      await sleep(delayMs, signal);
    }
  } finally {
    clearInterval(reporting);
  }
}

type Proving = {
  /** The number of blocks that are still to be proved. Undefined until all are filled. */
  blocksLeft: number | undefined;
  /** Whether the log says that the proof waits until blocks are final. */
  isWaiting: boolean;
};

/** Returns the progress of the proof of a request whose blocks are filled. */
function provedOf(
  { from, to }: BackfillRequest,
  blocksLeft: number,
): Pick<BackfillProgress, 'blocks' | 'blocksDone' | 'blocksProved'> {
  const blocks = to - from + 1;
  return { blocks, blocksDone: blocks, blocksProved: blocks - blocksLeft };
}

/**
 * Returns how a request ended if its blocks are covered, but not all proved. Undefined if the rest may still be proved. Logs once if only
 * blocks above the finalized block are left.
 */
async function endOfProof(
  { database: { kysely: db }, request, log }: Watching,
  outcome: Omit<Watched, 'ended'>,
  proving: Proving,
): Promise<Watched | undefined> {
  if ((await statusOf(db, request.id)) === 'cancelled') return { ...outcome, ended: 'cancelled' };
  const { chainId, to } = request;
  const { halted, finalized = -1 } = await readChain(db, chainId);
  if (halted === undefined && (proving.isWaiting || finalized >= to)) return undefined;
  const below = await proofProgress(db, { ...request, to: Math.min(to, finalized) });
  if (below.blocksToDo > 0) return undefined;
  // Blocks above the finalized block are proved once the follower has advanced that block. It does not run on a halted chain.
  if (halted !== undefined) return { ...outcome, ended: 'halted', reason: halted };
  log.info(
    { chain: chainId, to, finalized },
    'waiting until the last blocks are final, because they are proved only then',
  );
  proving.isWaiting = true;
  return undefined;
}

/** Returns how the request ended; undefined if it has not ended. */
async function endOf(watching: Watching, left: RequestProgress, proving: Proving): Promise<Watched | undefined> {
  const { database, request, events, log, runtime, proved } = watching;
  const db = database.kysely;
  const outcome = { request, events: events(), incomplete: left.incomplete, dead: [], unproved: [] };
  if (left.blocksLeft === 0) {
    const proof = proved ? await proofProgress(db, request) : { blocksLeft: 0, blocksToDo: 0 };
    if (proved) proving.blocksLeft = proof.blocksLeft;
    if (proof.blocksToDo > 0) return endOfProof(watching, outcome, proving);
    const stride = new Stride(runtime.now);
    for (const { name, error } of await advanceStages(database, { chainId: request.chainId, stages }, stride)) {
      log.warn(
        { chain: request.chainId, stage: name, reason: messageOf(error), err: error },
        'stage failed: its derived tables are not up to date',
      );
    }
    await settleIpoSupplies(database);
    await settleRevenueLinks(database);
    await endRequest(db, request.id, 'finished');
    if (proof.blocksLeft === 0) return { ...outcome, ended: 'complete' };
    return { ...outcome, unproved: await failedProofs(db, request.chainId, request), ended: 'unproved' };
  }
  if (left.blocksToDo === 0) {
    await endRequest(db, request.id, 'failed');
    return { ...outcome, ended: 'incomplete', dead: await failedIn(db, request.chainId, request) };
  }
  if ((await statusOf(db, request.id)) === 'cancelled') return { ...outcome, ended: 'cancelled' };
  const { halted, head } = await readChain(db, request.chainId);
  if (halted === undefined || head === undefined) return undefined;
  const below = await progressOf(db, { ...request, to: Math.min(request.to, head.number) });
  if (below.blocksToDo > 0) return undefined;
  // Blocks that were missing in `left` may have been filled since.
  const { incomplete } = await progressOf(db, request);
  const dead = await failedIn(db, request.chainId, request);
  return { ...outcome, incomplete, ended: 'halted', dead, reason: halted };
}
