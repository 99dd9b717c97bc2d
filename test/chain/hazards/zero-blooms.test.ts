import { test } from 'vitest';
import { announceAll, busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';

test('fills and follows a chain whose headers have blooms of zeros', async () => {
  const { chain, server, db, artist, settled } = await follow({ chain: busyChain(60, 30), announce: false });
  server.view.zeroBlooms = true;
  // Such nodes also tend to return an empty list for a block that they do not have.
  server.view.emptyForUnknownHash = true;
  await announceAll(db, artist, chain);
  await settled();
  const blocks = busyBlocks(10);
  chain.append(...blocks(5));
  await settled();
  chain.reorg(3, blocks(4));
  await settled();
});
