import { describe, expect, it } from 'vitest';
import { commonAncestor } from '../../indexer/follower/ancestor.ts';
import { decide, decideReorg, OBSERVATIONS_BELOW_FINALIZED } from '../../indexer/follower/decide.ts';
import type { BlockHeader, BlockRef } from '../../indexer/kernel/chain.ts';

const block = (number: number, branch = 'a'): BlockRef => ({ number, hash: `0x${branch}${number}` });
const header = (number: number, branch = 'a', parentBranch = branch): BlockHeader => ({
  ...block(number, branch),
  parentHash: `0x${parentBranch}${number - 1}`,
  timestamp: number,
  logsBloom: '0x',
});

describe('decide, each row of its decision table', () => {
  const local = block(10);
  const cases: [string, Parameters<typeof decide>[0], ReturnType<typeof decide>][] = [
    [
      'no local head',
      { local: undefined, remote: header(10), remoteAtLocal: undefined, localAtRemote: undefined },
      { do: 'start' },
    ],
    [
      'remote head below the local one, same block at that height',
      { local, remote: header(8), remoteAtLocal: undefined, localAtRemote: block(8) },
      { do: 'wait', because: 'node is behind' },
    ],
    [
      'remote head below the local one, no checkpoint at that height',
      { local, remote: header(8), remoteAtLocal: undefined, localAtRemote: undefined },
      { do: 'wait', because: 'node is behind' },
    ],
    [
      'remote head below the local one, another block at that height',
      { local, remote: header(8, 'b'), remoteAtLocal: undefined, localAtRemote: block(8) },
      { do: 'suspect reorg', at: 8 },
    ],
    [
      'remote head at the local height, same block',
      { local, remote: header(10), remoteAtLocal: undefined, localAtRemote: local },
      { do: 'wait', because: 'up to date' },
    ],
    [
      'remote head at the local height, another block',
      { local, remote: header(10, 'b'), remoteAtLocal: undefined, localAtRemote: undefined },
      { do: 'suspect reorg', at: 10 },
    ],
    [
      'remote head is the child of the local one',
      { local, remote: header(11), remoteAtLocal: undefined, localAtRemote: undefined },
      { do: 'extend' },
    ],
    [
      'remote head above, same block at the local height',
      { local, remote: header(14), remoteAtLocal: local, localAtRemote: undefined },
      { do: 'catch up' },
    ],
    [
      'remote head above, another block at the local height',
      { local, remote: header(14, 'b'), remoteAtLocal: block(10, 'b'), localAtRemote: undefined },
      { do: 'suspect reorg', at: 10 },
    ],
    [
      'remote head one above, child of another block',
      { local, remote: header(11, 'b'), remoteAtLocal: block(10, 'b'), localAtRemote: undefined },
      { do: 'suspect reorg', at: 10 },
    ],
    [
      'remote head above, node does not have the local height',
      { local, remote: header(14), remoteAtLocal: undefined, localAtRemote: undefined },
      { do: 'wait', because: 'node lacks the local head' },
    ],
  ];
  it.each(cases)('%s', (_, view, decision) => expect(decide(view)).toEqual(decision));
});

describe('decideReorg, each row of its decision table', () => {
  const evidence = {
    head: block(100),
    ancestor: block(95),
    finalized: 90,
    votes: { ours: 0, other: 1 },
    observations: 1,
    haltDepth: 50,
  };
  const often = OBSERVATIONS_BELOW_FINALIZED;
  it.each([
    [
      'half of the endpoints still have our block',
      { votes: { ours: 1, other: 1 } },
      { do: 'wait', because: 'endpoints disagree' },
    ],
    [
      'most endpoints have left our branch',
      { votes: { ours: 1, other: 2 } },
      { do: 'unwind', to: block(95), belowFinalized: false },
    ],
    ['above finalized', {}, { do: 'unwind', to: block(95), belowFinalized: false }],
    ['exactly at finalized', { ancestor: block(90) }, { do: 'unwind', to: block(90), belowFinalized: false }],
    ['below finalized, seen once', { ancestor: block(89) }, { do: 'wait', because: 'too few observations' }],
    [
      'below finalized, seen often',
      { ancestor: block(89), observations: often },
      { do: 'unwind', to: block(89), belowFinalized: true },
    ],
    [
      'at haltDepth',
      { ancestor: block(50), observations: often },
      { do: 'unwind', to: block(50), belowFinalized: true },
    ],
    ['deeper than haltDepth, seen once', { ancestor: block(49) }, { do: 'wait', because: 'too few observations' }],
    [
      'deeper than haltDepth though above finalized, seen once',
      { ancestor: block(49), finalized: 0 },
      { do: 'wait', because: 'too few observations' },
    ],
    [
      'deeper than haltDepth',
      { ancestor: block(49), observations: often },
      { do: 'halt', because: 'a reorg of 51 blocks, to block 49, is deeper than 50' },
    ],
    ['no ancestor, seen once', { ancestor: undefined }, { do: 'wait', because: 'too few observations' }],
    [
      'no ancestor',
      { ancestor: undefined, observations: often },
      { do: 'halt', because: 'the chain has none of the blocks that the database remembers' },
    ],
  ])('%s', (_, change, verdict) => expect(decideReorg({ ...evidence, ...change })).toEqual(verdict));
});

describe('commonAncestor', () => {
  it.each([0, 1, 3, 4, 5, 17, 99, 100])('is found in few requests when %i blocks are lost', async (lost) => {
    const ours = Array.from({ length: 100 }, (_, i) => block(1000 - i));
    let requests = 0;
    const found = await commonAncestor(ours, async ({ number }) => {
      requests += 1;
      return number <= 1000 - lost;
    });
    expect(found.ancestor?.number).toBe(lost === 100 ? undefined : 1000 - lost);
    expect(found.firstLost?.number).toBe(lost === 0 ? undefined : 1001 - lost);
    expect(requests).toBeLessThan(12);
  });
});
