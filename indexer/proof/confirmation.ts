import type { VerifiedRange } from '../kernel/chain.ts';
import type { Runtime } from '../kernel/runtime.ts';

/** How long to wait since the last confirmation. Afterwards one endpoint suffices, because the others may be out of service for good. */
const WAIT_MAX_MS = 600_000;
/** The pause before the same blocks are read again. */
const PAUSE_MS = 5_000;

/**
 * Decides whether followed blocks are proved only once another endpoint has confirmed their logs. At the head one endpoint was asked for
 * these logs, and it may have left some out.
 */
export class Confirmation {
  readonly #now: Runtime['now'];
  /** Since when no other endpoint has confirmed logs. Undefined if one did last. */
  #missingSince: number | undefined;
  #dueAt = Number.NEGATIVE_INFINITY;

  constructor({ now }: Runtime) {
    this.#now = now;
  }

  /** Returns whether followed blocks are to be read now. */
  isDue(): boolean {
    return this.#now() >= this.#dueAt;
  }

  /** Returns whether followed blocks that were read are to be read again later, because no other endpoint confirmed their logs. */
  isAwaited({ unconfirmedBlocks = [] }: Pick<VerifiedRange, 'unconfirmedBlocks'>): boolean {
    const now = this.#now();
    if (unconfirmedBlocks.length === 0) {
      this.#missingSince = undefined;
      return false;
    }
    this.#missingSince ??= now;
    if (now - this.#missingSince > WAIT_MAX_MS) return false;
    this.#dueAt = now + PAUSE_MS;
    return true;
  }
}
