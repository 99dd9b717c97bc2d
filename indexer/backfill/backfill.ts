import { buildDeferredIndexes } from '../db/deferred-indexes.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import { backoffMs } from '../kernel/retry.ts';
import { sleep, within } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import type { Redact } from '../observability/redact.ts';
import { type FillDeps, JobFiller, PieceFailure } from './fill-job.ts';
import { type Planned, Planner, type PlanScope } from './plan.ts';
import { BackfillQueue, type QueueSettings, queueNameOf, type TakenJob } from './queue.ts';
import { buryRange } from './requests.ts';
import { judgeFailure, NO_SETBACKS, OUTAGE_ATTEMPTS } from './verdict.ts';

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
/** Looks in a row that find no head: one that comes along with the others has had its time. */
const HEADLESS_TOLD = 2;
/** Where another worker may add jobs that this one knows nothing of. */
const TAKE_INTERVAL_MS = 1_000;
/** Trouble that goes on is told so often at most. */
const COMPLAINT_INTERVAL_MS = 5_000;
const RETRY_BACKOFF = { baseMs: 250, maxMs: 15_000 };
/** The queue's connections are made anew after so many failures in a row. */
const FAILURES_BEFORE_REOPENING = 8;
const HEAD_TIMEOUT_MS = 10_000;
const GIVE_BACK_TIMEOUT_MS = 2_000;
const REASON_LENGTH_MAX = 1_000;

/**
 * One process's part in filling one chain's history: plans what is missing into the queue and works on what is there.
 *
 * Any number of these, in any number of processes, do the same work together. None holds anything that another needs.
 */
export class Backfill {
  readonly #deps: BackfillDeps;
  readonly #filler: JobFiller;
  readonly #planner: Planner;
  #planNow = new AbortController();
  #takeNow = new AbortController();
  #facts = 0;
  #retries = 0;
  #lastBlocks = 0;
  #complainedAt = Number.NEGATIVE_INFINITY;
  #building: Promise<void> | undefined;

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

  get figures(): BackfillFigures {
    return { facts: this.#facts, retries: this.#retries, lastBlocks: this.#lastBlocks };
  }

  /** There may be new gaps: look now. */
  wake(): void {
    this.#planNow.abort();
  }

  /**
   * Called before anything is written: an initial load is recognised as one although the head is followed beside it. Never
   * throws; where it cannot tell, the load goes on as any other.
   */
  async beginLoad(signal: AbortSignal): Promise<void> {
    const { source, loadContracts, log, chainId } = this.#deps;
    try {
      const { number } = await source.head(AbortSignal.any([signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]));
      await loadContracts();
      await this.#planner.beginLoad(number);
    } catch (error) {
      if (!signal.aborted) log.debug({ chain: chainId, err: error }, 'cannot tell whether this is an initial load');
    }
  }

  /** Works until the signal aborts. Never throws: while the queue or the database is away it waits, and says so. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#session(signal, () => {
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#complain(error, 'history waits for its queue');
        await sleep(backoffMs(failures, RETRY_BACKOFF, Math.random), signal);
      }
    }
  }

  /** One connection to the queue, from opening it until it is of no use or the signal aborts. */
  async #session(signal: AbortSignal, onOpen: () => void): Promise<void> {
    const { database, chainId, queue: settings, concurrency } = this.#deps;
    const name = await queueNameOf(database.kysely, chainId);
    const queue = await BackfillQueue.open(
      settings,
      name,
      (error) => this.#complain(error, 'history waits: the queue has trouble'),
      signal,
    );
    const broken = new AbortController();
    const working = AbortSignal.any([signal, broken.signal]);
    onOpen();
    const parts = [this.#plan(queue, working)];
    for (let slot = 0; slot < concurrency; slot += 1) parts.push(this.#work(queue, working));
    try {
      await Promise.all(parts);
    } finally {
      broken.abort();
      await Promise.allSettled([...parts, this.#building]);
      await queue.close();
    }
  }

  /** Keeps the queue's window full. */
  async #plan(queue: BackfillQueue, signal: AbortSignal): Promise<void> {
    const { scope, log, chainId } = this.#deps;
    let planned: Planned = 'headless';
    let headless = 0;
    await this.#again(signal, async () => {
      const changed = isIdle(planned) || this.#planNow.signal.aborted;
      this.#planNow = new AbortController();
      // Also readies what was registered since: until then it has no gaps.
      if (changed) await this.#deps.loadContracts();
      planned = await this.#planner.topUp(queue);
      if (planned === 'busy') this.#startTaking();
      // What a command began it ends itself; and who waits for an index plans on.
      if (planned === 'idle' && scope.request === undefined) this.#building ??= this.#buildIndexes(signal);
      // Who plans for itself follows the chain too, once the endpoint answers.
      headless = planned === 'headless' && !scope.standing && scope.request === undefined ? headless + 1 : 0;
      if (headless === HEADLESS_TOLD)
        log.warn({ chain: chainId }, 'no process follows the chain yet: run `indexer start`');
      await sleep(isIdle(planned) ? PLAN_IDLE_INTERVAL_MS : PLAN_BUSY_INTERVAL_MS, this.#either(signal, this.#planNow));
    });
  }

  /** A load's end, or that of one which crashed. */
  async #buildIndexes(signal: AbortSignal): Promise<void> {
    try {
      const built = await buildDeferredIndexes(this.#deps.database, signal);
      if (built > 0) this.#deps.log.info({ indexes: built }, 'built the indexes that the load left for its end');
    } catch (error) {
      if (!signal.aborted) this.#complain(error, 'cannot build indexes yet');
    } finally {
      this.#building = undefined;
    }
  }

  /** Takes one job after another. */
  async #work(queue: BackfillQueue, signal: AbortSignal): Promise<void> {
    await this.#again(signal, async () => {
      const taken = await queue.take();
      if (taken === undefined) await sleep(TAKE_INTERVAL_MS, this.#either(signal, this.#takeNow));
      else await this.#fill(taken, signal);
    });
  }

  async #fill(taken: TakenJob, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    try {
      await this.#filler.fill(taken.job, this.#either(signal, ended));
    } catch (error) {
      if (signal.aborted) await within(GIVE_BACK_TIMEOUT_MS, taken.giveBack());
      else await this.#settle(taken, error, signal);
      return;
    } finally {
      // What was being read ahead of a failure is of no use.
      ended.abort();
    }
    await taken.done();
  }

  /** Does what the failure calls for; where that cannot be done now either, the job is another's to try. */
  async #settle(taken: TakenJob, thrown: unknown, signal: AbortSignal): Promise<void> {
    try {
      await this.#judge(taken, thrown, signal);
    } catch (error) {
      await taken.giveBack().catch(() => undefined);
      throw error;
    }
  }

  async #judge(taken: TakenJob, thrown: unknown, signal: AbortSignal): Promise<void> {
    const { database, chainId, log, redact } = this.#deps;
    const { job } = taken;
    const failed = thrown instanceof PieceFailure;
    const piece = failed ? thrown.piece : { from: job.from, to: job.to };
    const error = failed ? thrown.cause : thrown;
    const before = { ...NO_SETBACKS, ...job.setbacks, ...(failed && thrown.progressed && { waited: 0, lived: false }) };
    const head = before.waited >= OUTAGE_ATTEMPTS ? await this.#endpointHead() : undefined;
    const verdict = judgeFailure({ error, piece, before, head });
    const reason = redact(messageOf(error)).slice(0, REASON_LENGTH_MAX);
    const context = { chain: chainId, ...piece, ...before, verdict: verdict.do, reason };
    if (verdict.do === 'plan again') {
      log.debug(context, 'a range is out of date');
      await taken.done();
      // The node may say the same again, as fast as it is asked.
      await sleep(PLAN_BUSY_INTERVAL_MS, signal);
      this.wake();
      return;
    }
    if (verdict.do === 'give up') {
      const dead = verdict.on === 'piece' ? piece : await this.#filler.unservedOf(job, piece, verdict.unserved, signal);
      // Where it is away by now, that was what it answered.
      if (verdict.on === 'unserved' && (await this.#endpointHead()) === undefined) throw error;
      log.error({ ...context, ...dead, err: error }, `gave up on a range: ${reason}`);
      await buryRange(database.kysely, chainId, dead, reason);
      await taken.done();
      this.wake();
      return;
    }
    this.#retries += 1;
    const isFirst = before.waited + before.narrowed === 0;
    log[isFirst ? 'debug' : 'warn']({ ...context, err: error }, `cannot fill a range yet: ${reason}`);
    await taken.putOff(verdict.delayMs, verdict.do, verdict.setbacks);
  }

  /** The endpoint's newest block; undefined where it does not answer. */
  async #endpointHead(): Promise<number | undefined> {
    return this.#deps.source.head(AbortSignal.timeout(HEAD_TIMEOUT_MS)).then(
      ({ number }) => number,
      () => undefined,
    );
  }

  /** Repeats until the signal aborts; throws once it failed so often in a row that the connection is not worth keeping. */
  async #again(signal: AbortSignal, turn: () => Promise<void>): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        await turn();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#complain(error, 'history waits');
        if (failures === FAILURES_BEFORE_REOPENING) throw new IndexerError(messageOf(error), { cause: error });
        await sleep(backoffMs(failures, RETRY_BACKOFF, Math.random), signal);
      }
    }
  }

  /** However many wait for the end of the same trouble, and whatever each calls it, one of them tells. */
  #complain(error: unknown, what: string): void {
    const { log, chainId, redact } = this.#deps;
    const due = performance.now() - this.#complainedAt > COMPLAINT_INTERVAL_MS;
    if (due) this.#complainedAt = performance.now();
    log[due ? 'warn' : 'debug']({ chain: chainId, err: error }, redact(`${what}: ${messageOf(error)}`));
  }

  #either(signal: AbortSignal, wake: AbortController): AbortSignal {
    return AbortSignal.any([signal, wake.signal]);
  }

  #startTaking(): void {
    const waiting = this.#takeNow;
    this.#takeNow = new AbortController();
    waiting.abort();
  }
}

/** Nothing will change by itself soon. */
function isIdle(planned: Planned): boolean {
  return planned === 'idle' || planned === 'headless';
}
