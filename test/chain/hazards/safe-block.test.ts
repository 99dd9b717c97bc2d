import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { until } from '../../kit/until.ts';

test('mirror_safe shows the mirror as of the safe block, which a reorg takes back', async () => {
  const { chain, db, settled } = await follow({ chain: busyChain(30, 8) });
  chain.safe = 25;
  await settled();
  const asOf = async (schema: string) =>
    (await db.query(`select block_number::int as block from ${schema}.as_of`)).rows[0]?.block;
  const transfers = async (relation: string) =>
    (await db.query(`select count(*)::int as count, max(block_number)::int as last from ${relation}`)).rows[0];
  await until('the safe block to be known', async () => (await asOf('mirror_safe')) === 25);
  expect(await asOf('mirror_finalized')).toBe(8);
  expect(await transfers('mirror_safe.token_transfers')).toEqual(
    await transfers('(select * from token_transfers where block_number <= 25) transfer'),
  );
  // The node still names block 25, which is on another branch now.
  chain.reorg(10, busyBlocks(28)(3));
  await settled();
  expect(await asOf('mirror_safe')).toBe(20);
  chain.safe = 22;
  await until('the next safe block to be known', async () => (await asOf('mirror_safe')) === 22);
});
