import { expect, test } from 'vitest';
import { type ChainCondition, decideReadiness } from '../../indexer/http/readiness.ts';
import { HeadProgress } from '../../indexer/roles/head-progress.ts';

const BOUNDS = { lagBlocks: 100, stalledSeconds: 120 };
const HEALTHY: ChainCondition = {
  chainId: 1,
  state: 'following',
  halted: null,
  stoppedStage: undefined,
  contradiction: undefined,
  lagBlocks: 0,
  stalledSeconds: 0,
  concerns: [],
};

test.for<readonly [Partial<ChainCondition>, string | undefined]>([
  [{}, undefined],
  [{ state: 'standing by', lagBlocks: undefined }, undefined],
  [{ lagBlocks: 100, stalledSeconds: 120 }, undefined],
  [{ state: 'starting' }, 'starting'],
  [{ lagBlocks: 101 }, 'behind: 101 blocks to the head of the chain'],
  [{ stalledSeconds: 121.9 }, 'stalled: no block was committed for 121 s, although the chain has newer ones'],
  [{ contradiction: 'two owners' }, 'two owners'],
  [{ stoppedStage: 'stage dividends stopped' }, 'stage dividends stopped'],
  [{ state: 'failing: no endpoint answers', halted: 'a reorg of 2,000 blocks' }, 'halted: a reorg of 2,000 blocks'],
])('a chain with %j is not ready because of %j', ([condition, reason]) => {
  const readiness = decideReadiness(
    [
      { ...HEALTHY, ...condition },
      { ...HEALTHY, chainId: 2 },
    ],
    BOUNDS,
  );
  expect(readiness).toEqual({
    ready: reason === undefined,
    chains: { 1: reason ?? condition.state ?? 'following', 2: 'following' },
  });
});

test('concerns are told, but do not make a chain unready', () => {
  const concerns = ['blocks 1 to 2 cannot be proved', '1 contract is quarantined'];
  const readiness = decideReadiness(
    [
      { ...HEALTHY, concerns },
      { ...HEALTHY, chainId: 2 },
    ],
    BOUNDS,
  );
  expect(readiness).toEqual({
    ready: true,
    chains: { 1: 'following', 2: 'following' },
    degraded: { 1: 'blocks 1 to 2 cannot be proved; 1 contract is quarantined' },
  });
});

test('a head stalls only while the chain has newer blocks', () => {
  let time = 0;
  const progress = new HeadProgress(() => time);
  expect(progress).toMatchObject({ lagBlocks: undefined, stalledSeconds: 0, remote: undefined });
  progress.record(undefined, 10);
  expect(progress.lagBlocks).toBeUndefined();
  progress.record(10, 10);
  time = 60_000; // the chain has no newer block
  progress.record(10, 10);
  time = 65_000;
  progress.record(10, 13);
  time = 70_000;
  expect(progress).toMatchObject({ lagBlocks: 3, stalledSeconds: 10, remote: 13 });
  progress.record(11, 14);
  expect(progress).toMatchObject({ lagBlocks: 3, stalledSeconds: 0 });
});
