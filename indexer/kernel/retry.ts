/** How long to wait between attempts, in milliseconds. */
export type Backoff = { readonly baseMs: number; readonly maxMs: number };

/**
 * Returns the delay before the attempt that follows `failures` failures in a row. It doubles from `baseMs` up to `maxMs`, less
 * a random part of up to a half, so that clients that failed together do not come back together.
 *
 * @param random a source of numbers in [0, 1)
 */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
  return full * (1 - random() / 2);
}

/** Counts failures in a row and says how long to wait after each. */
export class Retry {
  readonly #backoff: Backoff;
  readonly #random: () => number;
  #failures = 0;

  constructor(backoff: Backoff, random: () => number) {
    this.#backoff = backoff;
    this.#random = random;
  }

  /** How many attempts in a row have failed. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure. Returns the delay before the next attempt, in milliseconds. */
  failed(): number {
    this.#failures += 1;
    return backoffMs(this.#failures, this.#backoff, this.#random);
  }

  /** Forgets the failures before: an attempt succeeded. */
  succeeded(): void {
    this.#failures = 0;
  }
}
