import type { Database } from '../db/database.ts';
import { messageOf } from '../kernel/errors.ts';
import { Retry } from '../kernel/retry.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { sleep } from '../kernel/sleep.ts';
import { Wake } from '../kernel/wake.ts';
import type { Logger } from '../observability/log.ts';
import { advanceOnce, type StageRound, Stride } from './advance-stages.ts';
import type { Stage } from './stage.ts';
import { stages as allStages } from './stages.ts';

/** The pause between rounds. It lets one round cover several commits. */
const ROUND_PAUSE_MS = 200;
/** The interval between rounds if this process makes no commits. It is needed because other processes commit too. */
const TICK_MS = 10_000;
/** The delay before a failed stage is tried again. */
const STAGE_BACKOFF = { baseMs: 1_000, maxMs: 300_000 };
/** The delay after a failed round. */
const ROUND_BACKOFF = { baseMs: 500, maxMs: 15_000 };

/** The dependencies of a `StageRunner`. */
export type StageRunnerDeps = {
  readonly database: Database;
  readonly chainId: number;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly stages?: readonly Stage[];
  /** Replaces `TICK_MS` in tests. */
  readonly tickMs?: number;
};

/** The pause of a failed stage. The stage is tried again at `until`. */
type Pause = { readonly retry: Retry; readonly until: number };

/**
 * Advances one chain's stages (rules that derive state after the commits) as commits are made. Several processes may have a runner for the
 * chain, but only one of them advances the stages at a time.
 *
 * A failed stage is tried again with growing delays. Meanwhile later stages cannot advance beyond the block that the failed stage reached.
 * All other work continues.
 */
export class StageRunner {
  readonly #deps: StageRunnerDeps;
  readonly #pauses = new Map<string, Pause>();
  readonly #wake = new Wake();
  readonly #stride: Stride;

  constructor(deps: StageRunnerDeps) {
    this.#deps = deps;
    this.#stride = new Stride(deps.runtime.now);
  }

  /** Starts the next round soon, because a commit was made or the registry changed. */
  wake(): void {
    this.#wake.wake();
  }

  /** Advances stages until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { chainId, log, runtime } = this.#deps;
    const retry = new Retry(ROUND_BACKOFF, runtime.random);
    while (!signal.aborted) {
      try {
        const { more, moves } = await this.#round();
        retry.succeeded();
        if (more) continue;
        if (moves.length === 0) await this.#wake.wait(this.#idleMs(), signal);
        await sleep(ROUND_PAUSE_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = retry.failed();
        log.warn({ chain: chainId, reason: messageOf(error), retryInMs, err: error }, 'updating derived tables failed');
        await sleep(retryInMs, signal);
      }
    }
  }

  async #round(): Promise<StageRound> {
    const { database, chainId, log, runtime, stages = allStages } = this.#deps;
    const now = runtime.now();
    const paused = new Set([...this.#pauses].filter(([, { until }]) => until > now).map(([name]) => name));
    const round = await this.#stride.measure((strideBlocks) =>
      advanceOnce(database, { chainId, stages, paused, strideBlocks }),
    );
    if (round.busy) return round;
    const failed = new Set(round.failures.map(({ name }) => name));
    for (const { name } of stages) if (!paused.has(name) && !failed.has(name)) this.#pauses.delete(name);
    for (const { name, error } of round.failures) {
      const retry = this.#pauses.get(name)?.retry ?? new Retry(STAGE_BACKOFF, runtime.random);
      const retryInMs = retry.failed();
      this.#pauses.set(name, { retry, until: runtime.now() + retryInMs });
      log.warn(
        { chain: chainId, stage: name, reason: messageOf(error), retryInMs, err: error },
        'stage failed: its derived tables are not up to date',
      );
    }
    for (const { name, to, rows } of round.moves) {
      log.debug({ chain: chainId, stage: name, block: to, rows }, 'stage brought its derived tables up to date');
    }
    return round;
  }

  /** Returns how many milliseconds the runner waits for a call of `wake`: until a failed stage is due again, but at most `tickMs`. */
  #idleMs(): number {
    const { runtime, tickMs = TICK_MS } = this.#deps;
    const now = runtime.now();
    const due = Math.min(...[...this.#pauses.values()].map(({ until }) => until - now));
    return Math.max(0, Math.min(tickMs, due));
  }
}
