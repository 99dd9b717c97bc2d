import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'vitest';
import type { Hex } from '../../../indexer/kernel/chain.ts';
import { follow } from '../../kit/follow.ts';
import { busyBlocks, issued, WALLETS } from '../../kit/music.ts';
import { Reader } from '../../kit/picture.ts';
import { until } from '../../kit/until.ts';

const BLOCKS = 12;
const REORG_AT = 6;
const REORG_DEPTH = 3;

test('the rows of each block are there before the next one comes, a reorg among them', async () => {
  // As in production: heads are asked for once a second.
  const { chain, url, settled } = await follow({ settings: { pollIntervalMs: 1_000 } });
  await settled();
  const seen = new Set<Hex>();
  await Reader.start(url, async (db) => {
    const { rows } = await db.query('select distinct block_hash from token_transfers where block_number > 20');
    for (const { block_hash } of rows) seen.add(block_hash as Hex);
    await wait(5);
  });
  const blocks = busyBlocks(18);
  const grow = (): Hex => {
    const [spec] = blocks(1);
    return chain.append({ logs: [issued(WALLETS[0], 1n), ...(spec?.logs ?? [])] }).hash;
  };
  for (let block = 0; block < BLOCKS; block++) {
    const born: Hex[] = [];
    if (block === REORG_AT) {
      chain.truncate(chain.head.number - REORG_DEPTH);
      for (let replaced = 0; replaced < REORG_DEPTH; replaced++) born.push(grow());
    }
    born.push(grow());
    // No other block follows, which could bring along what this one left.
    await until(`the rows of block ${chain.head.number}`, () => born.every((hash) => seen.has(hash)));
  }
  await settled();
});
