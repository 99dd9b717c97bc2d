/** The progress of a backfill at one moment. */
export type BackfillProgress = {
  readonly blocks: number;
  readonly blocksDone: number;
  /** Number of facts that this process wrote. */
  readonly events: number;
  readonly eventsPerSecond: number;
  /** The rate at which all processes together fill blocks. */
  readonly blocksPerSecond: number;
  /** The estimated time until all blocks are filled. Undefined until a rate is known. */
  readonly secondsLeft: number | undefined;
  /** Number of blocks of the newest commit. */
  readonly rangeBlocks: number;
  readonly retries: number;
  /** Number of blocks that are proved. Undefined until all blocks are filled, and if no proof was requested. */
  readonly blocksProved?: number;
};

/** Rates are computed over at most this many of the last readings. */
const READINGS_MAX = 15;

type Reading = { readonly at: number; readonly left: number; readonly events: number };

/** Computes how fast a backfill proceeds and how long it will still take, from the last readings of its progress. */
export class ProgressMeter {
  readonly #now: () => number;
  readonly #readings: Reading[] = [];
  #blocks = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a reading: `left` blocks are still to be filled, and this process has written `events` facts. Returns the progress. */
  read(left: number, events: number): Omit<BackfillProgress, 'rangeBlocks' | 'retries' | 'blocksProved'> {
    // An unwind adds to the missing blocks, so the total can grow. It never shrinks.
    this.#blocks = Math.max(this.#blocks, left);
    const reading = { at: this.#now(), left, events };
    this.#readings.push(reading);
    if (this.#readings.length > READINGS_MAX) this.#readings.shift();
    const first = this.#readings[0] ?? reading;
    const seconds = (reading.at - first.at) / 1_000;
    const done = first.left - left;
    return {
      blocks: this.#blocks,
      blocksDone: this.#blocks - left,
      events,
      eventsPerSecond: seconds > 0 ? Math.round((events - first.events) / seconds) : 0,
      blocksPerSecond: seconds > 0 ? Math.round(Math.max(0, done) / seconds) : 0,
      secondsLeft: done > 0 ? Math.ceil((left * seconds) / done) : undefined,
    };
  }
}
