/** How long to wait between attempts, in milliseconds. */
export type Backoff = { readonly baseMs: number; readonly maxMs: number };

/**
 * The delay before the attempt that follows `failures` failures in a row: doubling from `baseMs` up to `maxMs`, of which a
 * random half is taken off, so that clients which failed together do not come back together.
 *
 * @param random a source of numbers in [0, 1)
 */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
  return full * (1 - random() / 2);
}
