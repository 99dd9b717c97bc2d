import { describe, expect, it } from 'vitest';
import { planFills } from '../../indexer/backfill/plan-fills.ts';
import { type BlockRange, parseMultirange, subtract, toMultirange, union } from '../../indexer/kernel/ranges.ts';
import type { Gap } from '../../indexer/progress/coverage.ts';

/** The blocks of ranges one by one: the slow truth that the arithmetic is held against. */
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
  it('agrees with sets of blocks for 500 drawn cases', () => {
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

describe('planFills', () => {
  const key = (n: number) => ({ address: `0x${n}` as const, kind: 'master' as const });

  it('asks for every missing block of every contract once, never for more, and splits at finalized', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const next = random(seed);
      const gaps: Gap[] = [1, 2, 3]
        .map((n) => ({ ...key(n), gaps: union(draw(next, 4)) }))
        .filter(({ gaps }) => gaps.length > 0);
      const finalized = Math.floor(next() * 70);
      const asked = new Map(gaps.map(({ address }) => [address, [] as number[]]));
      for (const fill of planFills(gaps, { finalized, finalSpan: 9, strictSpan: 3 })) {
        expect(fill.to - fill.from).toBeLessThan(fill.strict ? 3 : 9);
        expect(fill.strict ? fill.from > finalized : fill.to <= finalized, `seed ${seed}`).toBe(true);
        for (const { address } of fill.contracts)
          for (let b = fill.from; b <= fill.to; b += 1) asked.get(address)?.push(b);
      }
      for (const { address, gaps: missing } of gaps)
        expect(asked.get(address), `seed ${seed}`).toEqual([...blocks(missing)]);
    }
  });

  it('shares requests between contracts that lack the same', () => {
    const gaps = [1, 2, 3].map((n) => ({ ...key(n), gaps: [{ from: 0, to: 99 }] }));
    const fills = [...planFills(gaps, { finalized: 1000, finalSpan: 50, strictSpan: 1 })];
    expect(fills.map(({ from, to, contracts }) => [from, to, contracts.length])).toEqual([
      [0, 49, 3],
      [50, 99, 3],
    ]);
  });
});
