import { randomUUID } from 'node:crypto';
import { BackfillQueue, type QueueCounts, queueNameOf } from '../backfill/queue.ts';
import {
  type BackfillRequest,
  type DeadRange,
  deadIn,
  endRequest,
  progressOf,
  type RequestProgress,
  recordRequest,
  statusOf,
} from '../backfill/requests.ts';
import type { ChainConfig, Config } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import { buildDeferredIndexes, countDeferredIndexes } from '../db/deferred-indexes.ts';
import { keepUp } from '../db/upkeep.ts';
import type { Hex } from '../kernel/chain.ts';
import { messageOf, UsageError } from '../kernel/errors.ts';
import { backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import { loadContracts } from '../registry/contracts.ts';
import { settleIpoSupplies } from '../registry/ipo-supplies.ts';
import { watchContracts } from '../registry/watch.ts';
import { advanceStages } from '../stages/advance-stages.ts';
import { stages } from '../stages/stages.ts';
import { type ChainWork, chainWork } from './chain-work.ts';

export type BackfillInput = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly chain: ChainConfig;
  readonly from: number;
  /** Undefined: the head of now. */
  readonly to: number | undefined;
  /** Null: all. */
  readonly contracts: readonly Hex[] | null;
  readonly concurrency: number;
};

/** How far a backfill is, as of one look. */
export type BackfillProgress = {
  readonly blocks: number;
  readonly blocksDone: number;
  /** What this process wrote. */
  readonly events: number;
  readonly eventsPerSecond: number;
  /** By whichever process. */
  readonly blocksPerSecond: number;
  /** Undefined until there is something to reckon from. */
  readonly secondsLeft: number | undefined;
  /** Blocks of the newest commit. */
  readonly rangeBlocks: number;
  readonly retries: number;
};

export type BackfillOutcome = {
  readonly request: BackfillRequest;
  /** `complete` is what coverage proves; `stopped` was told to; `halted` waits for an operator. */
  readonly ended: 'complete' | 'incomplete' | 'stopped' | 'cancelled' | 'halted';
  readonly events: number;
  readonly incomplete: RequestProgress['incomplete'];
  readonly dead: readonly DeadRange[];
  /** Why the chain halted. */
  readonly reason?: string;
  /** Indexes of readers that the load left for its end and that are not there yet. */
  readonly indexesLeft: number;
};

const LOOK_INTERVAL_MS = 200;
const LOOK_BACKOFF = { baseMs: 500, maxMs: 10_000 };
const REPORT_INTERVAL_MS = 1_000;
/** Rates are those of the last so many reports. */
const RATE_REPORTS = 15;

/**
 * Fills a range of a chain and watches until coverage proves it complete, or nothing more can be done.
 *
 * Beside a daemon it shares the work; without one it also leads the chain until its end, since nothing above the head can be
 * filled.
 *
 * @throws {UsageError} for a range or contracts that cannot be.
 */
export async function runBackfill(
  input: BackfillInput,
  onProgress: (progress: BackfillProgress) => void,
  signal: AbortSignal,
): Promise<BackfillOutcome> {
  const { database, concurrency } = input;
  const id = randomUUID();
  let followed = 0;
  const scope = { standing: false, request: id };
  const work = chainWork({ ...input, scope, concurrency, onCommit: (facts) => (followed += facts) });
  try {
    await work.source.checkChainId(signal);
    const request = await record(input, id, work, signal);
    const ended = new AbortController();
    const working = AbortSignal.any([signal, ended.signal]);
    const parts = [work.follow(working), work.backfill.run(working), keepUp(database, input.log, working)];
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
  }
}

/** Builds the indexes that the load left for its end; tells how many are still to be built, by another process or the next. */
async function endLoad({ database, log }: BackfillInput, signal: AbortSignal): Promise<number> {
  try {
    const left = await countDeferredIndexes(database.kysely);
    if (left === 0 || signal.aborted) return left;
    log.info({ indexes: left }, 'building the indexes that the load left for its end');
    await buildDeferredIndexes(database, signal);
    return await countDeferredIndexes(database.kysely);
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error }, `cannot build indexes yet: ${messageOf(error)}`);
    return countDeferredIndexes(database.kysely).catch(() => 0);
  }
}

/** Records what is to be filled and leaves it to running daemons and workers. */
export async function requestBackfill(input: BackfillInput, signal: AbortSignal): Promise<BackfillRequest> {
  const work = chainWork({ ...input, scope: { standing: false } });
  try {
    return await record(input, randomUUID(), work, signal);
  } finally {
    work.source.close();
  }
}

/** What is in the queue of a chain. Throws where the queue does not answer. */
export async function countJobs(
  { config, database }: Pick<BackfillInput, 'config' | 'database'>,
  chainId: number,
  signal: AbortSignal,
): Promise<QueueCounts> {
  const settings = { url: config.queueUrl, redis: config.queueRedis };
  const name = await queueNameOf(database.kysely, chainId);
  const queue = await BackfillQueue.open(settings, name, () => undefined, signal);
  try {
    return await queue.counts();
  } finally {
    await queue.close();
  }
}

/** Works on what others plan and on what was asked for, chain by chain, until the signal aborts. */
export async function runWorker(
  input: Pick<BackfillInput, 'config' | 'database' | 'log' | 'concurrency'>,
  signal: AbortSignal,
): Promise<void> {
  const { config, log } = input;
  const chains = config.chains.map((chain) => chainWork({ ...input, chain, scope: { standing: false } }));
  try {
    await Promise.all(chains.map(({ source }) => source.checkChainId(signal)));
    log.info({ chains: chains.map(({ chainId }) => chainId), concurrency: input.concurrency }, 'working');
    await Promise.all([
      ...chains.map(({ backfill }) => backfill.run(signal)),
      keepUp(input.database, log, signal),
      watchContracts(
        {
          databaseUrl: config.databaseUrl,
          onChange: () => {
            for (const { backfill } of chains) backfill.wake();
          },
        },
        signal,
      ),
    ]);
  } finally {
    for (const { source } of chains) source.close();
    log.info('stopped');
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
  if (end > head) throw new UsageError(`block ${end} is not there yet: chain ${chainId} is at block ${head}`);
  if (from > end) throw new UsageError(`the range is empty: it begins at block ${from} and ends at block ${end}`);
  const registry = await loadContracts(database.kysely, chainId);
  if (registry.contracts.every(({ status }) => status === 'removed')) {
    throw new UsageError(`nothing is registered on chain ${chainId}: add what to fill with: indexer contracts add`);
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

/** Looks at coverage until it proves the request complete, or shows that nothing more can be done. */
async function watch(watching: Watching, signal: AbortSignal): Promise<Watched> {
  const { database, request, work, events, onProgress, log } = watching;
  const meter = new Meter();
  let blocksLeft: number | undefined;
  const report = () => {
    if (blocksLeft === undefined) return;
    const { lastBlocks, retries } = work.backfill.figures;
    onProgress({ ...meter.read(blocksLeft, events()), rangeBlocks: lastBlocks, retries });
  };
  // Goes on while the database does not answer.
  const reporting = setInterval(report, REPORT_INTERVAL_MS);
  try {
    for (let failures = 0; ; ) {
      try {
        const left = await progressOf(database.kysely, request);
        const isFirst = blocksLeft === undefined;
        blocksLeft = left.blocksLeft;
        if (isFirst || blocksLeft === 0) report();
        const ended = await endOf(watching, left);
        if (ended !== undefined) return ended;
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!signal.aborted)
          log.warn({ chain: request.chainId, err: error }, `cannot look at coverage: ${messageOf(error)}`);
      }
      if (signal.aborted) return { request, ended: 'stopped', events: events(), incomplete: [], dead: [] };
      await sleep(failures === 0 ? LOOK_INTERVAL_MS : backoffMs(failures, LOOK_BACKOFF, Math.random), signal);
    }
  } finally {
    clearInterval(reporting);
  }
}

async function endOf(
  { database, request, events, log }: Watching,
  left: RequestProgress,
): Promise<Watched | undefined> {
  const db = database.kysely;
  const outcome = { request, events: events(), incomplete: left.incomplete, dead: [] };
  if (left.blocksLeft === 0) {
    for (const { name, error } of await advanceStages(database, { chainId: request.chainId, stages })) {
      log.warn({ chain: request.chainId, stage: name, err: error }, 'stage failed');
    }
    await settleIpoSupplies(database);
    await endRequest(db, request.id, 'finished');
    return { ...outcome, ended: 'complete' };
  }
  if (left.blocksToDo === 0) {
    await endRequest(db, request.id, 'failed');
    return { ...outcome, ended: 'incomplete', dead: await deadIn(db, request.chainId, request) };
  }
  if ((await statusOf(db, request.id)) === 'cancelled') return { ...outcome, ended: 'cancelled' };
  const { halted, head } = await readChain(db, request.chainId);
  if (halted === undefined || head === undefined) return undefined;
  const below = await progressOf(db, { ...request, to: Math.min(request.to, head.number) });
  if (below.blocksToDo > 0) return undefined;
  return { ...outcome, ended: 'halted', dead: await deadIn(db, request.chainId, request), reason: halted };
}

/** Reckons rates over the last reports. */
class Meter {
  #blocks = 0;
  readonly #readings: { readonly at: number; readonly left: number; readonly events: number }[] = [];

  read(left: number, events: number): Omit<BackfillProgress, 'rangeBlocks' | 'retries'> {
    // A reorg takes back what was done: what there is to do in all never shrinks.
    this.#blocks = Math.max(this.#blocks, left);
    this.#readings.push({ at: performance.now(), left, events });
    if (this.#readings.length > RATE_REPORTS) this.#readings.shift();
    const first = this.#readings[0] ?? { at: 0, left, events };
    const seconds = (performance.now() - first.at) / 1_000;
    const done = first.left - left;
    return {
      blocks: this.#blocks,
      blocksDone: this.#blocks - left,
      events,
      eventsPerSecond: seconds > 0 ? Math.round((events - first.events) / seconds) : 0,
      blocksPerSecond: seconds > 0 ? Math.round(Math.max(0, done) / seconds) : 0,
      secondsLeft: done > 0 ? Math.ceil((left * seconds) / done) : undefined,
    };
  }
}
