import type { BlockHeader } from '../kernel/chain.ts';
import { Wake } from '../kernel/wake.ts';

/** Holds the newest head that the follower has not taken yet. Older heads are dropped. */
export class HeadFeed {
  readonly #news = new Wake();
  #newest: BlockHeader | undefined;
  #hasEnded = false;

  /** Begins to read `heads`, whose iteration must not throw. */
  constructor(heads: AsyncIterable<BlockHeader>) {
    void this.#read(heads);
  }

  async #read(heads: AsyncIterable<BlockHeader>): Promise<void> {
    for await (const head of heads) {
      this.#newest = head;
      this.#news.wake();
    }
    this.#hasEnded = true;
    this.#news.wake();
  }

  /** Waits for the next head, at most `ms` milliseconds if given, and removes it from the feed. Returns undefined if none is announced. */
  async next(ms?: number): Promise<BlockHeader | undefined> {
    while (this.#newest === undefined && !this.#hasEnded) {
      if (!(await this.#news.wait(ms))) break;
    }
    return this.#takeNewest();
  }

  /** Whether the iteration of `heads` has ended, so that no further head will be announced. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Returns whether the feed holds a head that can descend from a block. */
  hasDescendant(block: BlockHeader): boolean {
    return this.#newest !== undefined && canDescend(block, this.#newest);
  }

  /**
   * Waits for a head that can descend from a block, and removes it from the feed. Such a head is a child of the block, or at least two
   * blocks higher. Returns undefined once `until` resolves or the iteration of `heads` has ended. Other heads stay in the feed for `next`.
   */
  async nextDescendant(block: BlockHeader, until: Promise<unknown>): Promise<BlockHeader | undefined> {
    let isOver = false;
    void until.then(() => {
      isOver = true;
      this.#news.wake();
    });
    while (!isOver && !this.#hasEnded) {
      if (this.hasDescendant(block)) return this.#takeNewest();
      await this.#news.wait();
    }
    return undefined;
  }

  #takeNewest(): BlockHeader | undefined {
    const head = this.#newest;
    this.#newest = undefined;
    return head;
  }
}

function canDescend(block: BlockHeader, head: BlockHeader): boolean {
  return head.number > block.number + 1 || (head.number === block.number + 1 && head.parentHash === block.hash);
}
