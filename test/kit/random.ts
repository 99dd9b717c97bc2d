/** A pseudo-random number generator with a seed. */
export type Random = {
  /** Returns an integer in `[0, bound)`. */
  below(bound: number): number;
  /** Returns an integer in `[0, bound)` as a bigint, with a granularity of one millionth of `bound`. */
  amount(bound: bigint): bigint;
  pick<T>(items: readonly [T, ...T[]]): T;
  pick<T>(items: readonly T[]): T | undefined;
  /** Returns true with a probability of one in `times`. */
  onceIn(times: number): boolean;
};

/** Creates a generator with Mulberry32 (Tommy Ettinger, public domain), which is small, fast and good enough for traffic. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    below,
    amount: (bound) => (bound * BigInt(below(1_000_000))) / 1_000_000n,
    pick: <T>(items: readonly T[]): T => items[below(items.length)] as T,
    onceIn: (times) => below(times) === 0,
  };
}
