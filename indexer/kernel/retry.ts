/** The limits of the delay between attempts, in milliseconds. */
export type Backoff = { readonly baseMs: number; readonly maxMs: number };

/**
 * Returns the delay in whole milliseconds before the attempt that follows `failures` consecutive failures. The delay doubles from
 * `baseMs` up to `maxMs`. It is shortened by a random part of up to one half, so that clients that failed together do not retry together.
 *
 * @param random returns numbers in [0, 1)
 */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
  return Math.round(full * (1 - random() / 2));
}

/** Counts consecutive failures and computes the delay after each. */
export class Retry {
  readonly #backoff: Backoff;
  readonly #random: () => number;
  #failures = 0;

  constructor(backoff: Backoff, random: () => number) {
    this.#backoff = backoff;
    this.#random = random;
  }

  /** The number of consecutive failed attempts. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure. Returns the delay before the next attempt, in milliseconds. */
  failed(): number {
    this.#failures += 1;
    return backoffMs(this.#failures, this.#backoff, this.#random);
  }

  /** Resets the count of failures after a successful attempt. */
  succeeded(): void {
    this.#failures = 0;
  }
}
