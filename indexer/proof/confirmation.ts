import type { ReadRange } from '../ingest/fetch-batch.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import type { ProofScope } from '../progress/proof.ts';
import type { Pace } from './pace.ts';

/** After this time without an answer of another endpoint, one suffices, because the others may be out of service for good. */
const WAIT_MAX_MS = 600_000;
/** If other endpoints were not asked for this long, it is not known whether they would have answered, so the wait begins again. */
const MEMORY_MS = 60_000;
/** The pause before the same blocks are read again. */
const PAUSE_MS = 5_000;

type ConfirmationDeps = { readonly runtime: Runtime; readonly log: Logger; readonly scope: ProofScope };

/**
 * Decides whether the proof of followed blocks waits until another endpoint has confirmed their logs. At the head one endpoint was asked
 * for these logs, and it may have left some out.
 */
export class Confirmation {
  readonly #deps: ConfirmationDeps;
  /** Since when no other endpoint has answered although it was asked. Undefined if one did last. */
  #silentSince: number | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.NEGATIVE_INFINITY;
  #isAlone = false;

  constructor(deps: ConfirmationDeps) {
    this.#deps = deps;
  }

  /** Returns whether followed blocks may be read now, because no pause is in progress. */
  isDue(): boolean {
    return this.#deps.runtime.now() >= this.#dueAt;
  }

  /**
   * Returns whether followed blocks that were read can count as proved. If not, they are to be read again: fewer at once if another endpoint
   * answered for a part of them, and otherwise after a pause.
   */
  suffices({ from, to, unconfirmedBlocks = [], otherAnswered = false }: ReadRange, pace: Pace): boolean {
    const { log, scope, runtime } = this.#deps;
    const now = runtime.now();
    if (otherAnswered) this.#silentSince = undefined;
    if (otherAnswered) this.#isAlone = false;
    if (unconfirmedBlocks.length === 0) return true;
    if (otherAnswered) {
      pace.narrow(to - from + 1);
      return false;
    }
    const context = { chain: scope.chainId, from, to };
    if (this.#silentSince === undefined || now - this.#askedAt > MEMORY_MS) {
      this.#silentSince = now;
      log.info(context, 'waiting for another endpoint to confirm the logs of followed blocks');
    }
    this.#askedAt = now;
    if (now - this.#silentSince > WAIT_MAX_MS) {
      const level = this.#isAlone ? 'debug' : 'warn';
      this.#isAlone = true;
      log[level](context, 'logs of followed blocks count as proved unconfirmed, because no other endpoint answers');
      return true;
    }
    this.#dueAt = now + PAUSE_MS;
    return false;
  }
}
