import { describe, expect, it } from 'vitest';
import { type BlockRange, parseMultirange, subtract, toMultirange, union } from '../../indexer/kernel/ranges.ts';

/** Lists the blocks of ranges one by one. The range arithmetic is compared with sets of them. */
const blocks = (ranges: readonly BlockRange[]) =>
  new Set(ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i)));

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

function draw(next: () => number, count: number): BlockRange[] {
  return Array.from({ length: Math.floor(next() * count) }, () => {
    const from = Math.floor(next() * 60);
    return { from, to: from + Math.floor(next() * 12) };
  });
}

describe('ranges', () => {
  it('agree with sets of blocks in 500 random cases', () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const next = random(seed);
      const whole = draw(next, 5);
      const parts = draw(next, 5);
      const rest = subtract(whole, parts);
      const cut = blocks(parts);
      expect(
        [...blocks(rest)].sort((a, b) => a - b),
        `seed ${seed}`,
      ).toEqual([...blocks(whole)].filter((b) => !cut.has(b)).sort((a, b) => a - b));
      for (const [i, range] of rest.entries()) {
        expect(range.from).toBeLessThanOrEqual(range.to);
        if (i > 0) expect(range.from).toBeGreaterThan((rest[i - 1]?.to ?? 0) + 1);
      }
      expect(parseMultirange(toMultirange(union(whole)))).toEqual(union(whole));
    }
  });
});
