import type { BlockRange } from '../kernel/ranges.ts';
import { within } from '../kernel/sleep.ts';

/** A stretch that was read; `to` is the last block of it, which may lie before the end of what was asked for. */
type Read = { readonly range: BlockRange; readonly bytes: number };

/**
 * Reads the pieces of a range one behind the other and keeps ahead of who takes them, by so many bytes and no more.
 *
 * A failure to read is thrown by the `take` that comes to it; the pieces before it are taken first.
 */
export class ReadAhead<Piece extends Read> {
  readonly #end: number;
  readonly #read: (from: number) => Promise<Piece>;
  readonly #maxBytes: number;
  readonly #isAlone: (from: number) => boolean;
  #ready: Piece[] = [];
  #readyBytes = 0;
  /** The first block that was not taken yet, and the first that was not read yet. */
  #taken: number;
  #next: number;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param maxBytes with so much at hand nothing more is read; at least one piece always is
   * @param isAlone whether the piece that begins at a block is to be taken by itself
   */
  constructor(
    { from, to }: BlockRange,
    { maxBytes, isAlone }: { readonly maxBytes: number; readonly isAlone: (from: number) => boolean },
    read: (from: number) => Promise<Piece>,
  ) {
    this.#taken = from;
    this.#next = from;
    this.#end = to;
    this.#maxBytes = maxBytes;
    this.#isAlone = isAlone;
    this.#read = read;
  }

  /** The first block that was not taken yet. */
  get from(): number {
    return this.#taken;
  }

  get atEnd(): boolean {
    return this.#taken > this.#end;
  }

  /** All that is at hand, at least the next piece. */
  async take(): Promise<readonly Piece[]> {
    for (;;) {
      this.#readOn();
      const pieces = this.#takeReady();
      if (pieces.length > 0) return pieces;
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure !== undefined) throw failure.error;
      await this.#reading;
    }
  }

  /** What is at hand, or comes in time; why nothing does, `take` tells. */
  async takeWithin(ms: number): Promise<readonly Piece[]> {
    if (this.#ready.length === 0) await within(ms, Promise.resolve(this.#reading));
    return this.#takeReady();
  }

  #takeReady(): readonly Piece[] {
    const pieces = this.#ready;
    this.#ready = [];
    this.#readyBytes = 0;
    this.#taken = (pieces.at(-1)?.range.to ?? this.#taken - 1) + 1;
    this.#readOn();
    return pieces;
  }

  /** Reads on from a block that was taken already, or from the one where it is anyway. */
  goBackTo(from: number): void {
    if (from === this.#taken) return;
    this.#taken = from;
    this.#next = from;
    this.#ready = [];
    this.#readyBytes = 0;
    this.#reading = undefined;
    this.#failure = undefined;
    this.#readOn();
  }

  #readOn(): void {
    if (this.#reading !== undefined || this.#failure !== undefined || this.#next > this.#end) return;
    const last = this.#ready.at(-1);
    if (last !== undefined) {
      if (this.#readyBytes >= this.#maxBytes) return;
      if (this.#isAlone(this.#next) || this.#isAlone(last.range.from)) return;
    }
    const reading: Promise<void> = this.#read(this.#next).then(
      (piece) => {
        if (this.#reading !== reading) return; // it went back meanwhile
        this.#ready.push(piece);
        this.#readyBytes += piece.bytes;
        this.#next = piece.range.to + 1;
        this.#reading = undefined;
        this.#readOn();
      },
      (error) => {
        if (this.#reading !== reading) return;
        this.#failure = { error };
        this.#reading = undefined;
      },
    );
    this.#reading = reading;
  }
}
