import { AnchorMismatch, RpcError, RpcInconsistency } from '../kernel/errors.ts';

/** A block that could not be read for this long is set aside: the head moves past it without its logs. */
const SET_ASIDE_AFTER_MS = 3_000;
/** A block is set aside only after at least this many attempts, however long they took. */
const ATTEMPTS_MIN = 3;

/**
 * Remembers the block at which reading got stuck, and decides when to set it aside. A node that refuses or garbles one block must not
 * stop the chain. While a node is unreachable, lagging or busy, the chain must wait for it.
 */
export class UnreadableBlock {
  readonly #now: () => number;
  #stuck: { readonly block: number; readonly since: number; readonly attempts: number } | undefined;
  #setAside: number | undefined;
  /** The end of the range that failed. Up to this block, blocks are read one at a time. */
  #narrowTo = -1;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns the last block of a read that begins at `from`: `from` itself in a range that failed or after a block set aside, else `to`. */
  limit(from: number, to: number): number {
    return from <= this.#narrowTo || this.#setAside === from - 1 ? from : to;
  }

  /** Records that blocks from `from` on could not be read. Returns whether to set `from` aside. */
  failed(from: number, to: number, error: unknown): boolean {
    if (!isAboutTheBlock(error)) {
      this.#stuck = undefined;
      return false;
    }
    this.#narrowTo = Math.max(this.#narrowTo, to);
    const { since, attempts } = this.#stuck?.block === from ? this.#stuck : { since: this.#now(), attempts: 0 };
    this.#stuck = { block: from, since, attempts: attempts + 1 };
    if (from !== to) return false;
    // If the previous block was just set aside, this one is set aside at the first failure, so that the head does not lag more.
    const isNext = this.#setAside === from - 1;
    return isNext || (attempts + 1 >= ATTEMPTS_MIN && this.#now() - since >= SET_ASIDE_AFTER_MS);
  }

  /** Records that a block was set aside. */
  setAside(block: number): void {
    this.#stuck = undefined;
    this.#setAside = block;
  }

  /** Records that blocks were read. */
  succeeded(): void {
    this.#stuck = undefined;
    this.#setAside = undefined;
  }
}

/** Returns whether an endpoint answered but its answer is unusable. An unreachable or busy endpoint says nothing about a block. */
function isAboutTheBlock(error: unknown): boolean {
  if (error instanceof RpcInconsistency) return !(error instanceof AnchorMismatch);
  if (!(error instanceof RpcError)) return false;
  switch (error.kind) {
    case 'unavailable':
      return error.answered;
    case 'rate-limited':
      return false;
    default:
      return true;
  }
}
