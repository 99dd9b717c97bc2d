import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { busyChain, follow } from '../../kit/follow.ts';
import { busyBlocks } from '../../kit/music.ts';
import { headOf } from '../../kit/oracle/check-database.ts';

const AT_HEAD_WITHIN_MS = 30_000;
const TEN_A_SECOND_MS = 100;
const STRETCH_MS = 10_000;

test('500 blocks without a log at once', async () => {
  const { chain, settled } = await follow({ settings: { pollIntervalMs: 1_000 } });
  await settled();
  chain.mine(500);
  await settled(AT_HEAD_WITHIN_MS);
  chain.append(...busyBlocks(12)(1));
  await settled(AT_HEAD_WITHIN_MS);
});

test('blocks without a log, ten a second', async () => {
  const { chain, db, settled } = await follow({ chain: busyChain(), settings: { pollIntervalMs: 1_000 } });
  await settled();
  const seen = new Set<number>();
  let lag = 0;
  for (const end = performance.now() + STRETCH_MS; performance.now() < end; await wait(TEN_A_SECOND_MS)) {
    chain.mine(1);
    const { number = 0 } = (await headOf(db, chain.chainId)) ?? {};
    seen.add(number);
    lag = Math.max(lag, chain.head.number - number);
  }
  // Heads are looked for once a second: that many blocks come at a time, and few more are ever missing.
  expect(seen.size).toBeGreaterThanOrEqual(STRETCH_MS / 1_000 - 2);
  expect(lag).toBeLessThan(30);
  await settled(AT_HEAD_WITHIN_MS);
});
