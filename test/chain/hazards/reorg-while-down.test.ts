import { expect, test } from 'vitest';
import { Daemon } from '../../kit/daemon.ts';
import { busyChain, follow } from '../../kit/follow.ts';
import { busyBlocks } from '../../kit/music.ts';
import { reorgsOf } from '../../kit/settled.ts';

test.each([
  { what: 'and the chain went on', blocks: 30 },
  { what: 'and the new branch is as long as the old one', blocks: 9 },
])('a reorg while the indexer is down, $what', async ({ blocks }) => {
  const { chain, db, daemon, following, settled } = await follow({ chain: busyChain(40) });
  await settled();
  expect(await daemon.stop()).toBe(0);
  chain.reorg(9, busyBlocks(5)(blocks));
  await Daemon.start(following);
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: 40, to: 31, depth: 9 }]);
});
