import { buildDeferredIndexes } from '../db/deferred-indexes.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import { sleep, within } from '../kernel/sleep.ts';
import { Wake } from '../kernel/wake.ts';
import type { Logger } from '../observability/log.ts';
import type { Redact } from '../observability/redact.ts';
import { decideRetry, NO_FAILURES, OUTAGES_BEFORE_DOUBT } from './decide-retry.ts';
import { type FillDeps, FillError, JobFiller } from './fill-job.ts';
import { Planner, type PlanOutcome, type PlanScope } from './plan.ts';
import { BackfillQueue, type ClaimedJob, type QueueSettings, queueNameOf } from './queue.ts';
import { recordFailedRange } from './requests.ts';

/** What a backfill works with. */
export type BackfillDeps = FillDeps & {
  readonly queue: QueueSettings;
  readonly scope: PlanScope;
  readonly log: Logger;
  readonly redact: Redact;
  /** Called after every commit. */
  readonly onFilled?: () => void;
};

/** What this process did so far. */
export type BackfillFigures = {
  readonly facts: number;
  readonly retries: number;
  /** Blocks of the newest commit. */
  readonly lastBlocks: number;
};

const PLAN_BUSY_INTERVAL_MS = 500;
const PLAN_IDLE_INTERVAL_MS = 15_000;
/** A missing head is reported after this many plans in a row: a process that starts together with this one needs a moment. */
const PLANS_BEFORE_NO_HEAD_WARNING = 2;
/** How often an idle worker looks for jobs that another process added. */
const CLAIM_INTERVAL_MS = 1_000;
/** Warnings about the same outage are logged at most this often. */
const WARNING_INTERVAL_MS = 5_000;
const RETRY_BACKOFF: Backoff = { baseMs: 250, maxMs: 15_000 };
/** The connections to the queue are reopened after this many failures in a row. */
const FAILURES_BEFORE_REOPENING = 8;
const HEAD_TIMEOUT_MS = 10_000;
const RELEASE_TIMEOUT_MS = 2_000;
const REASON_LENGTH_MAX = 1_000;

/**
 * Fills one chain's history, together with any number of other processes: plans what is missing into the queue, and works on
 * the jobs in it. No process holds anything that another one needs.
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

  constructor(deps: BackfillDeps) {
    this.#deps = deps;
    this.#planner = new Planner(deps.database, deps.chainId, deps.scope);
    this.#filler = new JobFiller(deps, ({ from, to, facts }) => {
      this.#facts += facts;
      this.#lastBlocks = to - from + 1;
      deps.log.debug({ chain: deps.chainId, from, to, facts }, 'filled');
      deps.onFilled?.();
    });
  }

  /** What this process did so far. */
  get figures(): BackfillFigures {
    return { facts: this.#facts, retries: this.#retries, lastBlocks: this.#lastBlocks };
  }

  /** Plans at once: there may be new gaps. */
  wake(): void {
    this.#planNow.wake();
  }

  /**
   * Defers indexes where this is an initial load. Called before anything is written, since the head is followed at the same time.
   * Never throws: where it cannot tell, the load proceeds with all indexes.
   */
  async beginLoad(signal: AbortSignal): Promise<void> {
    const { source, loadContracts, log, chainId } = this.#deps;
    try {
      const { number } = await source.head(AbortSignal.any([signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]));
      await loadContracts();
      await this.#planner.beginLoad(number);
    } catch (error) {
      if (!signal.aborted) log.debug({ chain: chainId, err: error }, 'initial load not recognised');
    }
  }

  /** Plans and works until the signal aborts. Never throws: while the queue or the database is unavailable it retries and logs. */
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

  /** Uses one connection to the queue, from opening it until it fails too often or the signal aborts. */
  async #session(signal: AbortSignal, onOpen: () => void): Promise<void> {
    const { database, chainId, queue: settings, concurrency } = this.#deps;
    const name = await queueNameOf(database.kysely, chainId);
    const onError = (error: Error) => this.#warn(error, 'queue connection failed');
    const queue = await BackfillQueue.open(settings, name, onError, signal);
    const failed = new AbortController();
    const working = AbortSignal.any([signal, failed.signal]);
    onOpen();
    const loops = [this.#plan(queue, working)];
    for (let slot = 0; slot < concurrency; slot += 1) loops.push(this.#work(queue, working));
    try {
      await Promise.all(loops);
    } finally {
      failed.abort();
      await Promise.allSettled([...loops, this.#indexBuild]);
      await queue.close();
    }
  }

  /** Keeps the queue's window full. */
  async #plan(queue: BackfillQueue, signal: AbortSignal): Promise<void> {
    const { scope, log, chainId, loadContracts } = this.#deps;
    // A process that plans for itself also follows the chain: it has a head as soon as an endpoint answers.
    const needsOtherFollower = !scope.standing && scope.request === undefined;
    let mayHaveChanged = true;
    let plansWithoutHead = 0;
    await this.#repeat(signal, async () => {
      // Also prepares contracts that were registered meanwhile: until then they have no gaps.
      if (mayHaveChanged) await loadContracts();
      const outcome = await this.#planner.topUp(queue);
      if (outcome === 'busy') this.#claimNow.wake();
      // The backfill command builds the indexes of its own load at its end. Planning continues while they are built.
      if (outcome === 'idle' && scope.request === undefined) this.#indexBuild ??= this.#buildIndexes(signal);
      plansWithoutHead = outcome === 'no head' && needsOtherFollower ? plansWithoutHead + 1 : 0;
      if (plansWithoutHead === PLANS_BEFORE_NO_HEAD_WARNING)
        log.warn({ chain: chainId }, 'no process follows the chain yet: run `indexer start`');
      const isIdle = hasNothingToPlan(outcome);
      const isWoken = await this.#planNow.wait(isIdle ? PLAN_IDLE_INTERVAL_MS : PLAN_BUSY_INTERVAL_MS, signal);
      mayHaveChanged = isWoken || isIdle;
    });
  }

  /** Builds the indexes that an initial load deferred, including one that crashed. */
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
      const claimed = await queue.claim();
      if (claimed === undefined) await this.#claimNow.wait(CLAIM_INTERVAL_MS, signal);
      else await this.#fill(claimed, signal);
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
      // Stops reading ahead of the piece that failed.
      ended.abort();
    }
    await claimed.complete();
  }

  /** Handles a failed job. Where that fails too, releases the job for another worker. */
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
      log.debug(context, 'range is out of date, planning again');
      await claimed.complete();
      // The node may answer the same again, as fast as it is asked.
      await sleep(PLAN_BUSY_INTERVAL_MS, signal);
      this.wake();
      return;
    }
    if (decision.do === 'give up') {
      const isPiece = decision.on === 'piece';
      const dead = isPiece ? piece : await this.#filler.findUnserved(job, piece, decision.unserved, signal);
      // An endpoint that has become unavailable meanwhile explains the error.
      if (!isPiece && (await this.#endpointHead()) === undefined) throw error;
      log.error({ ...context, ...dead, err: error }, 'gave up on a range');
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

  /** Returns the endpoint's newest block; undefined where it does not answer. */
  async #endpointHead(): Promise<number | undefined> {
    return this.#deps.source.head(AbortSignal.timeout(HEAD_TIMEOUT_MS)).then(
      ({ number }) => number,
      () => undefined,
    );
  }

  /** Repeats a step until the signal aborts. Throws after so many failures in a row that the connection should be reopened. */
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

  /** Logs a failure. Many loops report the same outage, so that one warning in a while is enough. */
  #warn(error: unknown, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { log, chainId, runtime } = this.#deps;
    const isDue = runtime.now() - this.#warnedAt > WARNING_INTERVAL_MS;
    if (isDue) this.#warnedAt = runtime.now();
    log[isDue ? 'warn' : 'debug']({ chain: chainId, reason: messageOf(error), ...fields, err: error }, message);
  }
}

/** Whether planning again would find nothing new for a while. */
function hasNothingToPlan(outcome: PlanOutcome): boolean {
  return outcome === 'idle' || outcome === 'no head';
}
