import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { reorgsOf } from '../../kit/settled.ts';

test('a reorg of sixty blocks to a longer branch is unwound to the ancestor', async () => {
  const { chain, db, settled } = await follow({ chain: busyChain(100) });
  await settled();
  chain.reorg(60, busyBlocks(2)(63));
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: 100, to: 40, depth: 60 }]);
});

test('a reorg of sixty blocks to a shorter branch is unwound to the ancestor', async () => {
  const { chain, db, settled } = await follow({ chain: busyChain(100) });
  await settled();
  chain.reorg(60, busyBlocks(3)(50));
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: 100, to: 40, depth: 60 }]);
});
