import { AnchorMismatch, RpcError, RpcInconsistency } from '../kernel/errors.ts';

/** A block that could not be read for this long is skipped (set aside): the head moves past it without its logs. */
const SET_ASIDE_AFTER_MS = 3_000;
/** A block is skipped only after at least this many attempts to read it, however long they took. */
const ATTEMPTS_MIN = 3;

/**
 * Remembers the block that could not be read, and decides when to skip it. A node that refuses one block, or answers for it with nonsense,
 * must not stop the chain. While a node is unreachable, lagging or busy, the chain must wait for the node.
 */
export class UnreadableBlock {
  readonly #now: () => number;
  #stuck: { readonly block: number; readonly since: number; readonly attempts: number } | undefined;
  #setAside: number | undefined;
  /** The last block of the range that could not be read. Up to this block, blocks are read one at a time. */
  #narrowTo = -1;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns up to which block to read, beginning at `from`: one block in a range that failed or after a skipped block, else up to `to`. */
  limit(from: number, to: number): number {
    return from <= this.#narrowTo || this.#setAside === from - 1 ? from : to;
  }

  /** Records that the blocks from `from` to `to` could not be read. Returns whether to skip block `from`. */
  failed(from: number, to: number, error: unknown): boolean {
    if (!isAboutTheBlock(error)) {
      this.#stuck = undefined;
      return false;
    }
    this.#narrowTo = Math.max(this.#narrowTo, to);
    const { since, attempts } = this.#stuck?.block === from ? this.#stuck : { since: this.#now(), attempts: 0 };
    this.#stuck = { block: from, since, attempts: attempts + 1 };
    if (from !== to) return false;
    // If the previous block was just skipped, this one is skipped at the first failure, so that the head does not fall further behind.
    const isNext = this.#setAside === from - 1;
    return isNext || (attempts + 1 >= ATTEMPTS_MIN && this.#now() - since >= SET_ASIDE_AFTER_MS);
  }

  /** Records that a block was skipped. */
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
