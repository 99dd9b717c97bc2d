import type { ReadRange } from '../ingest/fetch-batch.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import type { ProofScope } from '../progress/proof.ts';
import type { Pace } from './pace.ts';

/** After this time without a confirmation, one endpoint suffices, because the others may be out of service for good. */
const WAIT_MAX_MS = 600_000;
/** If no unconfirmed blocks were read for this long, the wait begins again. Blocks become final at intervals of several minutes. */
const MEMORY_MS = 1_800_000;
/** The pause before the same blocks are read again. It doubles each time. */
const PAUSE_MS = 5_000;
const PAUSE_MAX_MS = 60_000;

type ConfirmationDeps = { readonly runtime: Runtime; readonly log: Logger; readonly scope: ProofScope };

/**
 * Decides whether the proof of followed blocks waits until another endpoint has confirmed their logs. At the head one endpoint was asked
 * for these logs, and it may have left some out.
 */
export class Confirmation {
  readonly #deps: ConfirmationDeps;
  /** How long no other endpoint has confirmed the logs of a block. An outage of all endpoints counts as one pause. */
  #waitedMs = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.NEGATIVE_INFINITY;
  #pauseMs = PAUSE_MS;
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
   * gave only a part of them, and otherwise after a pause.
   */
  suffices(
    { from, to, unconfirmedBlocks = [], otherConfirmed = false, comparedInPart = false }: ReadRange,
    pace: Pace,
  ): boolean {
    if (unconfirmedBlocks.length === 0) {
      if (otherConfirmed) this.#confirmed();
      return true;
    }
    if (otherConfirmed && from < to) this.#confirmed();
    if ((otherConfirmed || comparedInPart) && from < to) {
      pace.narrow(to - from + 1);
      return false;
    }
    const { log, scope, runtime } = this.#deps;
    const now = runtime.now();
    const context = { chain: scope.chainId, from, to };
    if (now - this.#readAt > MEMORY_MS) this.#confirmed();
    else this.#waitedMs += Math.min(PAUSE_MAX_MS, now - this.#readAt);
    if (this.#waitedMs === 0) log.info(context, 'waiting for another endpoint to confirm the logs of followed blocks');
    this.#readAt = now;
    if (this.#waitedMs > WAIT_MAX_MS) {
      const level = this.#isAlone ? 'debug' : 'warn';
      this.#isAlone = true;
      log[level](
        context,
        'logs of followed blocks count as proved unconfirmed, because no other endpoint confirms them',
      );
      return true;
    }
    this.#dueAt = now + this.#pauseMs;
    this.#pauseMs = Math.min(PAUSE_MAX_MS, this.#pauseMs * 2);
    return false;
  }

  /** Forgets for how long no other endpoint has confirmed logs. */
  #confirmed(): void {
    this.#waitedMs = 0;
    this.#readAt = Number.NEGATIVE_INFINITY;
    this.#pauseMs = PAUSE_MS;
    this.#isAlone = false;
  }
}
