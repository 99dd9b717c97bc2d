import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Hex } from '../../../indexer/kernel/chain.ts';
import { busyBlocks, erc20Mint, WALLETS } from '../../kit/music.ts';
import { follow } from '../../kit/scene.ts';
import { Reader } from '../../kit/snapshots.ts';
import { until } from '../../kit/until.ts';

const BLOCKS = 60;
const BLOCK_INTERVAL_MS = 2_000;
const REORG_AT = 30;
const REORG_DEPTH = 3;
const MEDIAN_MAX_MS = 2_000;
const WORST_MAX_MS = 10_000;
const READ_INTERVAL_MS = 20;

test('for two minutes with a block every 2 s, the rows of each block are readable within 2 s in the median and 10 s at worst, also across a reorg', async () => {
  // As in production, the daemon polls for heads once a second.
  const { chain, url, settled } = await follow({ settings: { pollIntervalMs: 1_000 } });
  await settled();
  const seen = new Set<Hex>();
  await Reader.start(url, async (db) => {
    const { rows } = await db.query('select distinct block_hash from token_transfers where block_number > 20');
    for (const { block_hash } of rows) seen.add(block_hash as Hex);
    await wait(READ_INTERVAL_MS);
  });
  const blocks = busyBlocks(18);
  const appendBlock = (): Hex => {
    const [spec] = blocks(1);
    return chain.append({ logs: [erc20Mint(WALLETS[0], 1n), ...(spec?.logs ?? [])] }).hash;
  };
  const latencies: number[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    const newHashes: Hex[] = [];
    if (block === REORG_AT) {
      chain.truncate(chain.head.number - REORG_DEPTH);
      for (let replaced = 0; replaced < REORG_DEPTH; replaced++) newHashes.push(appendBlock());
    }
    newHashes.push(appendBlock());
    const appendedAt = performance.now();
    // No further block follows until these rows are readable, so nothing else can trigger their commit.
    await until(`the rows of block ${chain.head.number}`, () => newHashes.every((hash) => seen.has(hash)));
    const latency = performance.now() - appendedAt;
    latencies.push(latency);
    await wait(Math.max(0, BLOCK_INTERVAL_MS - latency));
  }
  latencies.sort((a, b) => a - b);
  expect(latencies[BLOCKS / 2]).toBeLessThan(MEDIAN_MAX_MS);
  expect(latencies.at(-1)).toBeLessThan(WORST_MAX_MS);
  await settled();
});
