import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Failover } from '../kit/failover.ts';
import { busyBlocks } from '../kit/music.ts';
import type { Program } from '../kit/program.ts';
import { onEachQueue } from '../kit/redis.ts';
import { atHead } from '../kit/settled.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain, scene } from './scene.ts';

/** Longer than the time after which the program gives up a range that fails without an outage. */
const READ_ONLY_MS = 15_000;

const hasFailed = (program: Program) => program.logLines('', 'read-only transaction').length > 0;

await onEachQueue((place) => {
  test('after a failover that leaves old connections read-only, following and filling go on, and no range is given up', async () => {
    const { run, server, db, chain, settled } = await scene(place(), longChain(5_000));
    const heal = slowDown(server, 200);
    const failover = new Failover(db);
    const daemon = run('start');
    await until('some history', async () => (await filledBlocks(db)) > 500);
    await failover.begin();
    await failover.disconnectProgram();
    await until('a refused write', () => hasFailed(daemon));
    chain.append(...busyBlocks(3)(3));
    await wait(READ_ONLY_MS);
    const before = await filledBlocks(db);
    expect(before).toBeLessThan(4_900);
    await failover.end();
    await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
    await until('filling to resume', async () => (await filledBlocks(db)) > before);
    heal();
    await settled();
    expect(daemon.logLines('gave up filling a range of blocks')).toEqual([]);
    expect(daemon.isRunning).toBe(true);
  });
});

test('connections that the server ends again and again cost nothing but time', async () => {
  const { run, server, db, settled } = await scene({ url: undefined, redis: undefined }, longChain(3_000));
  const heal = slowDown(server, 50);
  const failover = new Failover(db);
  const backfill = run('backfill', '--from-block', '0');
  await until('some history', async () => (await filledBlocks(db)) > 300);
  for (let time = 0; time < 10; time += 1) {
    await failover.disconnectProgram();
    await wait(500);
  }
  heal();
  expect(await backfill.exited).toBe(0);
  await settled();
  expect(backfill.logLines('gave up filling a range of blocks')).toEqual([]);
});
