import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Hex } from '../../../indexer/kernel/chain.ts';
import { follow } from '../../kit/follow.ts';
import { busyBlocks, issued, WALLETS } from '../../kit/music.ts';
import { Reader } from '../../kit/picture.ts';

const BLOCKS = 30;
const BLOCK_TIME_MS = 1_000;
const REORG_AT = 15;
const REORG_DEPTH = 3;
const MEDIAN_MS = 2_000;
const P99_MS = 10_000;

test('a block every second, a reorg among them: rows are there within two seconds', async () => {
  // As in production: heads are asked for once a second.
  const { chain, url, settled } = await follow({ settings: { pollIntervalMs: 1_000 } });
  await settled();
  const seenAt = new Map<Hex, number>();
  await Reader.start(url, async (db) => {
    const { rows } = await db.query('select distinct block_hash from token_transfers where block_number > 20');
    for (const { block_hash } of rows)
      if (!seenAt.has(block_hash as Hex)) seenAt.set(block_hash as Hex, performance.now());
    await wait(5);
  });
  const bornAt = new Map<Hex, number>();
  const blocks = busyBlocks(18);
  const grow = () => {
    const [spec] = blocks(1);
    const { hash } = chain.append({ logs: [issued(WALLETS[0], 1n), ...(spec?.logs ?? [])] });
    bornAt.set(hash, performance.now());
  };
  for (let block = 0; block < BLOCKS; block++) {
    if (block === REORG_AT) {
      for (const { hash } of chain.blocks.slice(-REORG_DEPTH)) bornAt.delete(hash);
      chain.truncate(chain.head.number - REORG_DEPTH);
      for (let replaced = 0; replaced < REORG_DEPTH; replaced++) grow();
    }
    grow();
    await wait(BLOCK_TIME_MS);
  }
  await settled();
  const delays = [...bornAt]
    .map(([hash, at]) => (seenAt.get(hash) ?? Number.POSITIVE_INFINITY) - at)
    .sort((a, b) => a - b);
  expect(delays).toHaveLength(BLOCKS + REORG_DEPTH - REORG_DEPTH);
  expect(delays[Math.floor(delays.length / 2)]).toBeLessThan(MEDIAN_MS);
  expect(delays[Math.floor(delays.length * 0.99)]).toBeLessThan(P99_MS);
});
