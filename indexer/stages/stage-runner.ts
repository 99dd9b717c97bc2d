import type { Database } from '../db/database.ts';
import { messageOf } from '../kernel/errors.ts';
import { backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import type { Logger } from '../observability/log.ts';
import { advanceOnce, type StageRound } from './advance-stages.ts';
import type { Stage } from './stage.ts';
import { stages as allStages } from './stages.ts';

/** Commits come faster than anybody needs stages to follow: looks are at least so far apart. */
const ROUND_PAUSE_MS = 200;
/** How soon to look without a commit of this process: other processes commit too. */
const TICK_MS = 10_000;
/** Pauses before a stage that failed is tried again, and before a look that failed. */
const STAGE_BACKOFF = { baseMs: 1_000, maxMs: 300_000 };
const ROUND_BACKOFF = { baseMs: 500, maxMs: 15_000 };

export type StageRunnerDeps = {
  readonly database: Database;
  readonly chainId: number;
  readonly log: Logger;
  readonly stages?: readonly Stage[];
  /** A source of numbers in [0, 1). */
  readonly random?: () => number;
};

type Pause = { readonly failures: number; readonly until: number };

/**
 * Keeps one chain's stages behind its commits. Of several processes that do so, one at a time has its way.
 *
 * A stage that fails is tried again with growing pauses, and holds up nobody but the stages behind it.
 */
export class StageRunner {
  readonly #deps: StageRunnerDeps;
  readonly #pauses = new Map<string, Pause>();
  #waking = new AbortController();

  constructor(deps: StageRunnerDeps) {
    this.#deps = deps;
  }

  /** Looks soon: something was committed, or the registry changed. */
  wake(): void {
    this.#waking.abort();
  }

  /** Advances stages until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { chainId, log, random = Math.random } = this.#deps;
    for (let failures = 0; !signal.aborted; ) {
      this.#waking = new AbortController();
      const woken = AbortSignal.any([signal, this.#waking.signal]);
      try {
        const { moves } = await this.#round();
        failures = 0;
        // More strides may follow the one that was made.
        if (moves.length === 0) await sleep(this.#idleMs(), woken);
        await sleep(ROUND_PAUSE_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        log.warn({ chain: chainId, err: error }, 'cannot advance stages');
        await sleep(backoffMs(failures, ROUND_BACKOFF, random), signal);
      }
    }
  }

  async #round(): Promise<StageRound> {
    const { database, chainId, log, stages = allStages, random = Math.random } = this.#deps;
    const now = performance.now();
    const paused = new Set([...this.#pauses].filter(([, { until }]) => until > now).map(([name]) => name));
    const round = await advanceOnce(database, { chainId, stages, paused });
    if (round.busy) return round;
    for (const { name } of stages) {
      const failure = round.failures.find((candidate) => candidate.name === name);
      if (failure !== undefined) {
        const failures = (this.#pauses.get(name)?.failures ?? 0) + 1;
        const retryInMs = Math.round(backoffMs(failures, STAGE_BACKOFF, random));
        this.#pauses.set(name, { failures, until: performance.now() + retryInMs });
        log.warn(
          { chain: chainId, stage: name, reason: messageOf(failure.error), retryInMs, err: failure.error },
          'stage failed',
        );
      } else if (!paused.has(name)) this.#pauses.delete(name);
    }
    for (const { name, to, rows } of round.moves) {
      log.debug({ chain: chainId, stage: name, block: to, rows }, 'stage advanced');
    }
    return round;
  }

  /** How long to wait for a wake: until the next stage that failed is due, at most a tick. */
  #idleMs(): number {
    const due = Math.min(...[...this.#pauses.values()].map(({ until }) => until - performance.now()));
    return Math.max(0, Math.min(TICK_MS, due));
  }
}
