import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { reorgsOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const METHOD = 'eth_getBlockByNumber';

test('three reorgs, each before the last is unwound, end on the last branch', async () => {
  const { chain, server, db, settled } = await follow({ chain: busyChain(40) });
  await settled();
  const blocks = busyBlocks(4);
  // Deciding about a reorg takes several requests, which leaves time for the next reorg.
  const heal = server.misbehave({ methods: [METHOD], do: { kind: 'latency', ms: 100 } });
  for (const depth of [3, 12, 7]) {
    expect(await reorgsOf(db, chain.chainId)).toEqual([]);
    const asked = server.count(METHOD);
    chain.reorg(depth, blocks(depth + 1));
    await until('the daemon to examine the reorg', () => server.count(METHOD) >= asked + 3);
  }
  heal();
  await settled();
  const reorgs = await reorgsOf(db, chain.chainId);
  expect(reorgs.length).toBeGreaterThan(0);
  // The second reorg goes back to block 29, the third goes back to block 35 on the second branch.
  expect(Math.min(...reorgs.map(({ to }) => to))).toBe(29);
  expect(reorgs[0]?.from).toBe(40);
});
