import { buildDeferredIndexes } from '../db/deferred-indexes.ts';
import type { CommittedRange } from '../ingest/committed-range.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import { orStopped, sleep, within } from '../kernel/sleep.ts';
import { Wake } from '../kernel/wake.ts';
import type { Logger } from '../observability/log.ts';
import type { Redact } from '../observability/redact.ts';
import { decideRetry, NO_FAILURES, OUTAGES_BEFORE_DOUBT } from './decide-retry.ts';
import { type FillDeps, FillError, JobFiller } from './fill-job.ts';
import { Planner, type PlanOutcome, type PlanScope } from './plan.ts';
import { BackfillQueue, type ClaimedJob, queueNameOf } from './queue.ts';
import type { QueueSettings } from './queue-server.ts';
import { recordFailedRange } from './requests.ts';

/** Dependencies of a backfill. */
export type BackfillDeps = FillDeps & {
  readonly queue: QueueSettings;
  readonly scope: PlanScope;
  readonly log: Logger;
  readonly redact: Redact;
  /** Called after every commit of filled blocks. */
  readonly onFilled?: (range: CommittedRange) => void;
};

/** What this process has done to fill the history of one chain since it started. */
export type BackfillFigures = {
  readonly facts: number;
  readonly retries: number;
  /** Number of blocks of the newest commit. */
  readonly lastBlocks: number;
};

const PLAN_BUSY_INTERVAL_MS = 500;
const PLAN_IDLE_INTERVAL_MS = 15_000;
/** A worker warns when this many plans in a row have found no head. The process that follows the head may still be starting. */
const PLANS_BEFORE_NO_HEAD_WARNING = 2;
/** How often an idle worker checks for jobs that another process added. */
const CLAIM_INTERVAL_MS = 1_000;
/** Warnings about the same outage are logged at most this often. */
const WARNING_INTERVAL_MS = 5_000;
const RETRY_BACKOFF: Backoff = { baseMs: 250, maxMs: 15_000 };
/** The connections to the queue are reopened after this many failures in a row. */
const FAILURES_BEFORE_REOPENING = 8;
const HEAD_TIMEOUT_MS = 10_000;
/** When a process stops, it waits this long for an answer of the queue. */
const RELEASE_TIMEOUT_MS = 2_000;
const EVICTION_WARNING =
  'Redis may evict jobs of the queue: set its maxmemory-policy to noeviction, or QUEUE_URL to another server';
const REASON_LENGTH_MAX = 1_000;

/**
 * Fills the history of one chain. One loop adds jobs for missing blocks to the queue, and other loops work on jobs. Any number of
 * processes share the queue. If one of them dies, the others do its jobs.
 */
export class Backfill {
  readonly #deps: BackfillDeps;
  readonly #filler: JobFiller;
  readonly #planner: Planner;
  readonly #planNow = new Wake();
  readonly #claimNow = new Wake();
  #facts = 0;
  #retries = 0;
  #lastBlocks = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #indexBuild: Promise<void> | undefined;
  #queue: BackfillQueue | undefined;

  constructor(deps: BackfillDeps) {
    this.#deps = deps;
    this.#planner = new Planner(deps.database, deps.chainId, deps.scope);
    this.#filler = new JobFiller(deps, (range) => {
      const { from, to, facts } = range;
      this.#facts += facts;
      this.#lastBlocks = to - from + 1;
      deps.log.debug({ chain: deps.chainId, from, to, facts }, 'range filled');
      deps.onFilled?.(range);
    });
  }

  /** What this process has done to fill the chain since it started. */
  get figures(): BackfillFigures {
    return { facts: this.#facts, retries: this.#retries, lastBlocks: this.#lastBlocks };
  }

  /** The queue of the chain. Undefined while this process is not connected to it. */
  get queue(): BackfillQueue | undefined {
    return this.#queue;
  }

  /** Plans at once instead of at the next interval, because there may be new gaps. */
  wake(): void {
    this.#planNow.wake();
  }

  /**
   * If no facts are stored and much history is missing, drops the indexes that only readers use. They are built again after the load.
   * Must be called before the head is followed, because that writes rows. Never throws: if the check fails, all indexes stay.
   */
  async beginLoad(signal: AbortSignal): Promise<void> {
    const { source, loadContracts, log, chainId } = this.#deps;
    try {
      const { number } = await source.head(AbortSignal.any([signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]));
      await loadContracts();
      await this.#planner.beginLoad(number);
    } catch (error) {
      if (!signal.aborted)
        log.debug(
          { chain: chainId, err: error },
          'could not check whether indexes can be left out until the end of an initial load',
        );
    }
  }

  /** Adds jobs to the queue and works on them until the signal aborts. Never throws: it logs outages of queue or database, and retries. */
  async run(signal: AbortSignal): Promise<void> {
    const retry = new Retry(RETRY_BACKOFF, this.#deps.runtime.random);
    while (!signal.aborted) {
      try {
        await this.#session(signal, () => retry.succeeded());
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = retry.failed();
        this.#warn(error, 'backfill paused', { retryInMs });
        await sleep(retryInMs, signal);
      }
    }
  }

  /** Connects to the queue and uses it until the signal aborts. Throws if connecting fails, or if a loop fails too often in a row. */
  async #session(signal: AbortSignal, onOpen: () => void): Promise<void> {
    const { database, chainId, queue: settings, concurrency, log } = this.#deps;
    const name = await queueNameOf(database.kysely, chainId);
    const onError = (error: Error) => {
      // After a stop, closing a connection to a server that does not answer fails too, which needs no warning.
      if (!signal.aborted) this.#warn(error, 'queue connection failed');
    };
    const queue = await BackfillQueue.open(settings, name, onError, signal);
    const failed = new AbortController();
    const working = AbortSignal.any([signal, failed.signal]);
    onOpen();
    this.#queue = queue;
    const policy = await queue.evictionPolicy().catch(() => undefined);
    if (policy !== undefined && policy !== 'noeviction')
      log.warn({ chain: chainId, policy, variable: settings.variable }, EVICTION_WARNING);
    const loops = [this.#plan(queue, working)];
    for (let slot = 0; slot < concurrency; slot += 1) loops.push(this.#work(queue, working));
    try {
      await Promise.all(loops);
    } finally {
      failed.abort();
      this.#queue = undefined;
      await Promise.allSettled([...loops, this.#indexBuild]);
      await queue.close();
    }
  }

  /** Adds jobs to the queue until the signal aborts, so that it holds enough of them. */
  async #plan(queue: BackfillQueue, signal: AbortSignal): Promise<void> {
    const { scope, log, chainId, loadContracts } = this.#deps;
    // A daemon or a backfill command follows the chain itself, so there will be a head. A worker depends on another process for that.
    const needsOtherFollower = !scope.standing && scope.request === undefined;
    let mayHaveChanged = true;
    let plansWithoutHead = 0;
    await this.#repeat(signal, async () => {
      // This also prepares newly registered contracts, which have no gaps before they are prepared.
      if (mayHaveChanged) await loadContracts();
      const outcome = await orStopped(this.#planner.topUp(queue), signal, RELEASE_TIMEOUT_MS);
      if (outcome === undefined) return;
      if (outcome === 'busy') this.#claimNow.wake();
      // A backfill command builds the indexes when it ends. A daemon or worker builds them here, while planning continues.
      if (outcome === 'idle' && scope.request === undefined) this.#indexBuild ??= this.#buildIndexes(signal);
      plansWithoutHead = outcome === 'no head' && needsOtherFollower ? plansWithoutHead + 1 : 0;
      if (plansWithoutHead === PLANS_BEFORE_NO_HEAD_WARNING)
        log.warn({ chain: chainId }, 'no process follows the chain yet: run `indexer start`');
      const isIdle = hasNothingToPlan(outcome);
      const isWoken = await this.#planNow.wait(isIdle ? PLAN_IDLE_INTERVAL_MS : PLAN_BUSY_INTERVAL_MS, signal);
      mayHaveChanged = isWoken || isIdle;
    });
  }

  /** Builds the indexes that an initial load dropped, even if the process of that load crashed. */
  async #buildIndexes(signal: AbortSignal): Promise<void> {
    try {
      const indexes = await buildDeferredIndexes(this.#deps.database, signal);
      if (indexes > 0) this.#deps.log.info({ indexes }, 'deferred indexes built');
    } catch (error) {
      if (!signal.aborted) this.#warn(error, 'building deferred indexes failed');
    } finally {
      this.#indexBuild = undefined;
    }
  }

  /** Works on one job after another. */
  async #work(queue: BackfillQueue, signal: AbortSignal): Promise<void> {
    await this.#repeat(signal, async () => {
      const claiming = queue.claim();
      const claimed = await orStopped(claiming, signal, RELEASE_TIMEOUT_MS);
      if (claimed !== undefined) return this.#fill(claimed, signal);
      // If the queue answers the claim only after the stop, the job is released. Otherwise its lock would be renewed forever.
      void claiming.then((late) => late?.release()).catch(() => undefined);
      await this.#claimNow.wait(CLAIM_INTERVAL_MS, signal);
    });
  }

  async #fill(claimed: ClaimedJob, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    try {
      await this.#filler.fill(claimed.job, AbortSignal.any([signal, ended.signal]));
    } catch (error) {
      if (signal.aborted) await within(RELEASE_TIMEOUT_MS, claimed.release());
      else await this.#settleFailure(claimed, error, signal);
      return;
    } finally {
      // Stops reading ahead beyond the piece that failed.
      ended.abort();
    }
    // If the queue does not answer, another worker gets the job and finds nothing left to do.
    await orStopped(claimed.complete(), signal, RELEASE_TIMEOUT_MS);
  }

  /** Handles a failed job. Releases the job for another worker if handling it fails too. */
  async #settleFailure(claimed: ClaimedJob, thrown: unknown, signal: AbortSignal): Promise<void> {
    try {
      await this.#handleFailure(claimed, thrown, signal);
    } catch (error) {
      await claimed.release().catch(() => undefined);
      throw error;
    }
  }

  async #handleFailure(claimed: ClaimedJob, thrown: unknown, signal: AbortSignal): Promise<void> {
    const { database, chainId, log, redact, runtime } = this.#deps;
    const { job } = claimed;
    const failed = thrown instanceof FillError;
    const piece = failed ? thrown.piece : { from: job.from, to: job.to };
    const error = failed ? thrown.cause : thrown;
    const progress = failed && thrown.progressed ? { outages: 0, endpointAnswered: false } : {};
    const history = { ...NO_FAILURES, ...job.history, ...progress };
    const head = history.outages >= OUTAGES_BEFORE_DOUBT ? await this.#endpointHead() : undefined;
    const decision = decideRetry({ error, piece, history, head }, runtime.random);
    const reason = redact(messageOf(error)).slice(0, REASON_LENGTH_MAX);
    const context = { chain: chainId, ...piece, ...history, decision: decision.do, reason };
    if (decision.do === 'plan again') {
      log.debug(context, 'planning again, because the chain or its contracts changed since the range was planned');
      await claimed.complete();
      // Wait, because the next attempt may fail in the same way at once.
      await sleep(PLAN_BUSY_INTERVAL_MS, signal);
      this.wake();
      return;
    }
    if (decision.do === 'give up') {
      const isPiece = decision.on === 'piece';
      const dead = isPiece ? piece : await this.#filler.findUnserved(job, piece, decision.unserved, signal);
      // Do not give up if the endpoint is unavailable by now, because that explains the error.
      if (!isPiece && (await this.#endpointHead()) === undefined) throw error;
      log.error({ ...context, ...dead, err: error }, 'gave up filling a range of blocks');
      await recordFailedRange(database.kysely, chainId, dead, reason);
      await claimed.complete();
      this.wake();
      return;
    }
    this.#retries += 1;
    const isFirst = history.outages + history.narrowings === 0;
    log[isFirst ? 'debug' : 'warn']({ ...context, retryInMs: decision.delayMs, err: error }, 'filling a range failed');
    await claimed.delay(decision.delayMs, decision.do, decision.history);
  }

  /** Returns the endpoint's newest block; undefined if it does not answer. */
  async #endpointHead(): Promise<number | undefined> {
    return this.#deps.source.head(AbortSignal.timeout(HEAD_TIMEOUT_MS)).then(
      ({ number }) => number,
      () => undefined,
    );
  }

  /** Repeats a step until the signal aborts. Throws after `FAILURES_BEFORE_REOPENING` failures in a row. */
  async #repeat(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
    const retry = new Retry(RETRY_BACKOFF, this.#deps.runtime.random);
    while (!signal.aborted) {
      try {
        await step();
        retry.succeeded();
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = retry.failed();
        this.#warn(error, 'backfill paused', { retryInMs });
        if (retry.failures === FAILURES_BEFORE_REOPENING) throw new IndexerError(messageOf(error), { cause: error });
        await sleep(retryInMs, signal);
      }
    }
  }

  /** Logs a failure as a warning. Logs at debug level if a warning was logged just before, because all loops report the same outage. */
  #warn(error: unknown, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { log, chainId, runtime } = this.#deps;
    const isDue = runtime.now() - this.#warnedAt > WARNING_INTERVAL_MS;
    if (isDue) this.#warnedAt = runtime.now();
    log[isDue ? 'warn' : 'debug']({ chain: chainId, reason: messageOf(error), ...fields, err: error }, message);
  }
}

/** Returns whether planning again at once would find nothing new. */
function hasNothingToPlan(outcome: PlanOutcome): boolean {
  return outcome === 'idle' || outcome === 'no head';
}
