import { expect, test } from 'vitest';
import { atHead, reorgsOf } from '../../support/expected.ts';
import { busyChain, follow } from '../../support/follow.ts';
import { announceAll, busyBlocks } from '../../support/music.ts';
import { until } from '../../support/until.ts';

test('a reorg in a range that is still being filled', async () => {
  const { chain, server, db, artist, settled } = await follow({ chain: busyChain(150), announce: false });
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 200 } });
  await announceAll(db, artist, chain);
  const filled = async () => {
    const { rows } = await db.query('select min(upper(covered)) as upper from indexer.contracts');
    return Number(rows[0]?.upper ?? 0) - 1;
  };
  await until('some blocks of the branch that will be lost', async () => (await filled()) > 90);
  expect(await filled()).toBeLessThan(150);
  chain.reorg(80, busyBlocks(6)(85));
  heal();
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: 150, to: 70, depth: 80 }]);
});
