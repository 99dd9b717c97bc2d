/** Tracks how far the committed head of a chain is behind the head that endpoints report. */
export class HeadProgress {
  readonly #now: () => number;
  #local: number | undefined;
  #remote: number | undefined;
  /** When the committed head last moved, or last was not below the remote head. */
  #progressedAt: number;

  /** @param now the time in milliseconds, which only increases */
  constructor(now: () => number) {
    this.#now = now;
    this.#progressedAt = now();
  }

  /** Records the committed head (`local`) and the remote head. `local` is undefined before the first commit. */
  record(local: number | undefined, remote: number): void {
    if (local !== this.#local || (local !== undefined && local >= remote)) this.#progressedAt = this.#now();
    this.#local = local;
    this.#remote = remote;
  }

  /** The newest block that an endpoint reported. */
  get remote(): number | undefined {
    return this.#remote;
  }

  /** How many blocks the committed head is below the remote head. Undefined while one of the two heads is unknown. */
  get lagBlocks(): number | undefined {
    if (this.#local === undefined || this.#remote === undefined) return undefined;
    return Math.max(0, this.#remote - this.#local);
  }

  /** How long the committed head has not moved although the chain has newer blocks, in seconds. */
  get stalledSeconds(): number {
    if ((this.lagBlocks ?? 0) === 0) return 0;
    return (this.#now() - this.#progressedAt) / 1_000;
  }
}
