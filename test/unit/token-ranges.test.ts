import { expect, test } from 'vitest';
import { mergeRanges, TOKEN_RANGES_MAX } from '../../indexer/metadata/token-ranges.ts';

const UINT256_MAX = 2n ** 256n - 1n;

test('ranges are ordered, and those that overlap or touch become one', () => {
  const ranges = [
    { from: 7n, to: 9n },
    { from: 1n, to: 3n },
    { from: 4n, to: 4n },
    { from: 2n, to: 3n },
    { from: 0n, to: UINT256_MAX - 1n },
  ];
  expect(mergeRanges(ranges.slice(0, 4))).toEqual([
    { from: 1n, to: 4n },
    { from: 7n, to: 9n },
  ]);
  expect(mergeRanges(ranges)).toEqual([{ from: 0n, to: UINT256_MAX - 1n }]);
  expect(mergeRanges([])).toEqual([]);
});

test('too many ranges become one that holds all of them', () => {
  const apart = Array.from({ length: TOKEN_RANGES_MAX + 1 }, (_, at) => ({
    from: BigInt(at * 3),
    to: BigInt(at * 3 + 1),
  }));
  expect(mergeRanges(apart.slice(1))).toHaveLength(TOKEN_RANGES_MAX);
  expect(mergeRanges(apart)).toEqual([{ from: 0n, to: BigInt(TOKEN_RANGES_MAX * 3 + 1) }]);
});
