import type { BlockRange } from '../kernel/ranges.ts';
import { within } from '../kernel/sleep.ts';

/** The blocks of a piece that was read, and the size of its facts in bytes. It may have fewer blocks than were requested. */
type ReadPiece = { readonly range: BlockRange; readonly bytes: number };

/**
 * Reads the pieces of a range in order, ahead of the consumer by a bounded number of bytes.
 *
 * If a piece cannot be read, `take` throws the error after all pieces before this one were taken.
 */
export class ReadAhead<Piece extends ReadPiece> {
  readonly #end: number;
  readonly #read: (from: number) => Promise<Piece>;
  readonly #maxBytes: number;
  readonly #isAlone: (from: number) => boolean;
  #ready: Piece[] = [];
  #readyBytes = 0;
  /** The first block that was not taken yet; `#next` is the first that was not read yet. */
  #taken: number;
  #next: number;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param maxBytes reading pauses while the pieces that were read but not taken have at least this size. If there are none, one is read
   * @param isAlone returns whether the piece that begins at a block must not be taken together with other pieces
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

  /** Whether every block was taken. */
  get atEnd(): boolean {
    return this.#taken > this.#end;
  }

  /** Returns all pieces that were read but not taken yet, and removes them from the buffer. If there is none, waits for one. */
  async take(): Promise<readonly Piece[]> {
    for (;;) {
      this.#continueReading();
      const pieces = this.#takeReady();
      if (pieces.length > 0) return pieces;
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure !== undefined) throw failure.error;
      await this.#reading;
    }
  }

  /** Like `take`, but waits at most `ms` milliseconds and may return no piece. Never throws: the next `take` throws the error. */
  async takeWithin(ms: number): Promise<readonly Piece[]> {
    if (this.#ready.length === 0) await within(ms, Promise.resolve(this.#reading));
    return this.#takeReady();
  }

  #takeReady(): readonly Piece[] {
    const pieces = this.#ready;
    this.#ready = [];
    this.#readyBytes = 0;
    this.#taken = (pieces.at(-1)?.range.to ?? this.#taken - 1) + 1;
    this.#continueReading();
    return pieces;
  }

  /** Goes back to a block that was taken already, and reads from there again. Has no effect if `from` is the first block not taken yet. */
  rewindTo(from: number): void {
    if (from === this.#taken) return;
    this.#taken = from;
    this.#next = from;
    this.#ready = [];
    this.#readyBytes = 0;
    this.#reading = undefined;
    this.#failure = undefined;
    this.#continueReading();
  }

  #continueReading(): void {
    if (this.#reading !== undefined || this.#failure !== undefined || this.#next > this.#end) return;
    const last = this.#ready.at(-1);
    if (last !== undefined) {
      if (this.#readyBytes >= this.#maxBytes) return;
      if (this.#isAlone(this.#next) || this.#isAlone(last.range.from)) return;
    }
    const reading: Promise<void> = this.#read(this.#next).then(
      (piece) => {
        if (this.#reading !== reading) return; // the reader was rewound meanwhile
        this.#ready.push(piece);
        this.#readyBytes += piece.bytes;
        this.#next = piece.range.to + 1;
        this.#reading = undefined;
        this.#continueReading();
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
