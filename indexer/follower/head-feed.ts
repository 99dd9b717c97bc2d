import type { BlockHeader } from '../kernel/chain.ts';

/** The newest head that nobody took yet: for who waits for the next one, and for who looks while it is busy with another. */
export class HeadFeed {
  #newest: BlockHeader | undefined;
  #ended = false;
  #news = Promise.withResolvers<void>();

  /** Reads the heads until they end; they must not throw. */
  constructor(heads: AsyncIterable<BlockHeader>) {
    void this.#read(heads);
  }

  async #read(heads: AsyncIterable<BlockHeader>): Promise<void> {
    for await (const head of heads) {
      this.#newest = head;
      this.#tell();
    }
    this.#ended = true;
    this.#tell();
  }

  /** The next head; undefined where there will be none. */
  async take(): Promise<BlockHeader | undefined> {
    while (this.#newest === undefined && !this.#ended) await this.#news.promise;
    return this.#takeNewest();
  }

  /**
   * The newest head as soon as there is one that goes on from a block: above it, and its child where it is the next.
   * Undefined where `until` is over before. A head that does not go on stays for `take`.
   */
  async takeBehind(block: BlockHeader, until: Promise<unknown>): Promise<BlockHeader | undefined> {
    let over = false;
    const end = until.then(() => {
      over = true;
    });
    while (!over && !this.#ended) {
      if (this.#newest !== undefined && goesOn(block, this.#newest)) return this.#takeNewest();
      await Promise.race([this.#news.promise, end]);
    }
    return undefined;
  }

  #takeNewest(): BlockHeader | undefined {
    const head = this.#newest;
    this.#newest = undefined;
    return head;
  }

  #tell(): void {
    const told = this.#news;
    this.#news = Promise.withResolvers();
    told.resolve();
  }
}

function goesOn(block: BlockHeader, head: BlockHeader): boolean {
  return head.number > block.number + 1 || (head.number === block.number + 1 && head.parentHash === block.hash);
}
