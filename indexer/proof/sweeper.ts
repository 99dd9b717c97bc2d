import type { Database } from '../db/database.ts';
import type { Runtime } from '../kernel/runtime.ts';
import { sleep } from '../kernel/sleep.ts';
import { readChain } from '../progress/chains.ts';
import type { CallSource } from '../protocols/shared/chain-reader.ts';
import { type SweepOutcome, sweepOnce } from './sweep.ts';
import { compareSupplies } from './sweep-supply.ts';

/** The share of time that a sweeper spends in the database. It pauses otherwise, so that it does not slow down followers or backfills. */
const TIME_SHARE = 0.02;
const PAUSE_MAX_MS = 60_000;
/** A round sweeps for this long. The next one begins with the sweeps that have reached the highest block, even if others lag behind. */
const ROUND_MS_MAX = 60_000;

/** Dependencies of a sweeper. */
export type SweeperDeps = {
  readonly database: Database;
  readonly chainId: number;
  readonly source: Pick<CallSource, 'call'>;
  readonly runtime: Runtime;
};

/**
 * Checks the facts of a chain for contradictions, a little at a time. Any number of processes may run it, but only one of them sweeps the
 * chain at a time.
 */
export class Sweeper {
  readonly #deps: SweeperDeps;

  constructor(deps: SweeperDeps) {
    this.#deps = deps;
  }

  /** Advances the sweeps towards the finalized block. If no sweep can advance further, compares supplies with the chain. */
  async round(signal: AbortSignal): Promise<void> {
    const { database, chainId, source, runtime } = this.#deps;
    const { head, finalized } = await readChain(database.kysely, chainId);
    if (head === undefined || finalized === undefined) return;
    const target = Math.min(head.number, finalized);
    const endsAt = runtime.now() + ROUND_MS_MAX;
    let order: 'furthest first' | 'last first' = 'furthest first';
    let outcome: SweepOutcome = 'swept';
    while (outcome === 'swept' && runtime.now() < endsAt && !signal.aborted) {
      outcome = await this.#paced(() => sweepOnce(database, { chainId, target, order }), signal);
      order = 'last first';
    }
    const paced = <T>(work: () => Promise<T>) => this.#paced(work, signal);
    if (outcome === 'idle') await compareSupplies({ database, chainId, source, paced }, target, signal);
  }

  /** Runs some work, and pauses in proportion to the time that it took. */
  async #paced<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { now } = this.#deps.runtime;
    const begunAt = now();
    const result = await work();
    await sleep(Math.min(PAUSE_MAX_MS, (now() - begunAt) * (1 / TIME_SHARE - 1)), signal);
    return result;
  }
}
