import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { busyBlocks } from '../../kit/music.ts';
import { headOf } from '../../kit/oracle/check-database.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { atHead } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const TEN_A_SECOND_MS = 100;
const HEADS = 8;
const AT_HEAD_MAX_MS = 30_000;

test('is at the head within 30 s after 500 blocks without logs that arrive at once', async () => {
  const { chain, db, settled } = await follow({ settings: { pollIntervalMs: 1_000 } });
  await settled();
  chain.mine(500);
  const minedAt = performance.now();
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  expect(performance.now() - minedAt).toBeLessThan(AT_HEAD_MAX_MS);
  await settled();
  chain.append(...busyBlocks(12)(1));
  await settled();
});

test('keeps moving the stored head while ten blocks without logs arrive a second', async () => {
  const { chain, db, settled } = await follow({ chain: busyChain(), settings: { pollIntervalMs: 1_000 } });
  await settled();
  const seen = new Set<unknown>();
  // Heads are polled once a second, so several blocks arrive at a time. The stored head must move while the chain grows.
  await until('the head to move several times', async () => {
    chain.mine(1);
    seen.add((await headOf(db, chain.chainId))?.number);
    await wait(TEN_A_SECOND_MS);
    return seen.size > HEADS;
  });
  await settled();
});
