const NARROWING_FACTOR = 8;

/** How many blocks are read together, and how often reading the same blocks has failed. */
export class Pace {
  readonly #blocksMax: number;
  #blocks: number;
  #failedFrom = -1;
  #failures = 0;

  /** @param blocksMax the number of blocks to begin with, which is also the maximum */
  constructor(blocksMax: number) {
    this.#blocksMax = blocksMax;
    this.#blocks = blocksMax;
  }

  /** The number of blocks to read next. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Ends a row of failures. If the work on the blocks is done, allows more blocks. */
  worked(isDone: boolean): void {
    this.#failedFrom = -1;
    if (isDone) this.#blocks = Math.min(this.#blocksMax, this.#blocks * 2);
  }

  /** Counts a failure to read the blocks from `from` on. Returns how many failures in a row began at this block. */
  failed(from: number): number {
    this.#failures = this.#failedFrom === from ? this.#failures + 1 : 1;
    this.#failedFrom = from;
    return this.#failures;
  }

  /** Allows only an eighth of a number of blocks, because reading so many did not succeed. */
  narrow(blocks: number): void {
    this.#blocks = Math.max(1, Math.floor(blocks / NARROWING_FACTOR));
  }
}
