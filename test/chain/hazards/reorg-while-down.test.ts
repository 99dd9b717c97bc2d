import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { reorgsOf } from '../../kit/settled.ts';

test.each([
  { branch: 'longer', blocks: 30 },
  { branch: 'equally long', blocks: 9 },
])('a reorg to a branch that is $branch while the indexer is down is unwound after the restart', async ({ blocks }) => {
  const { chain, db, daemon, startDaemon, settled } = await follow({ chain: busyChain(40) });
  await settled();
  expect(await daemon.stop()).toBe(0);
  chain.reorg(9, busyBlocks(5)(blocks));
  await startDaemon();
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: 40, to: 31, depth: 9 }]);
});
