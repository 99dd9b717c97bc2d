import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { reorgsOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const PINO_ERROR = 50;

test('a reorg below the finalized block is unwound after repeated observations, and logged as an error', async () => {
  const { chain, db, daemon, settled } = await follow({ chain: busyChain(40) });
  await settled();
  chain.finalized = 38;
  const blocks = busyBlocks(25);
  await until('the finalized block to be known', async () => {
    chain.append(...blocks(1));
    await settled();
    const { rows } = await db.query('select from indexer.chains where finalized_number = 38');
    return rows.length > 0;
  });
  const from = chain.head.number;
  chain.reorg(from - 30, blocks(from - 28));
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from, to: 30, depth: from - 30 }]);
  expect(
    daemon.logLines('reorg suspected').filter(({ reason }) => reason === 'too few observations').length,
  ).toBeGreaterThanOrEqual(2);
  expect(daemon.logLines('reorg below the finalized block unwound').map(({ level }) => level)).toEqual([PINO_ERROR]);
});

test('a reorg that reaches below the first followed block unwinds filled history', async () => {
  const { chain, db, settled } = await follow({ chain: busyChain(60, 40) });
  await settled();
  chain.reorg(35, busyBlocks(27)(37));
  await settled();
  const [reorg] = await reorgsOf(db, chain.chainId);
  // The ancestor is the newest common block that a checkpoint or a fact remembers.
  expect(reorg?.from).toBe(60);
  expect(reorg?.to).toBeLessThanOrEqual(25);
  expect(reorg?.to).toBeGreaterThan(15);
});
