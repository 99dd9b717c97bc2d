import { setTimeout as wait } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { busyBlocks } from '../kit/music.ts';
import { TcpProxy } from '../kit/proxy.ts';
import { onEachQueue, redisServer } from '../kit/redis.ts';
import { atHead } from '../kit/settled.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain, scene, waitUntilFillStops } from './scene.ts';

const OUTAGE_MS = 10_000;
const QUIET_MS = 2_000;
const BLOCKS = 12_000;
/** Jobs in flight when the queue pauses end below this. Filling that did not pause would go beyond it. */
const PAUSED_BLOCKS_MAX = 11_900;

await onEachQueue((place) => {
  test('a backfill survives a PostgreSQL outage of 10 s and resumes', async () => {
    const proxy = await TcpProxy.before(inject('postgresUrl'));
    const { run, server, db, settled } = await scene(place(), longChain(5_000), { databaseProxy: proxy });
    const heal = slowDown(server, 200);
    const backfill = run('backfill', '--from-block', '0');
    await until('some history', async () => (await filledBlocks(db)) > 500);
    proxy.refuse();
    await wait(OUTAGE_MS);
    expect(backfill.isRunning).toBe(true);
    const before = await filledBlocks(db);
    expect(before).toBeLessThan(4_900);
    proxy.heal();
    await until('filling to resume', async () => (await filledBlocks(db)) > before);
    heal();
    expect(await backfill.exited).toBe(0);
    await settled();
  });
});

test('during a Redis outage the follower continues, and the backfill pauses with a message and resumes afterwards', async () => {
  const redis = await redisServer();
  const { run, server, db, chain, settled } = await scene({ url: redis.url, redis }, longChain(BLOCKS));
  const heal = slowDown(server, 200);
  const daemon = run('start');
  await until('some history', async () => (await filledBlocks(db)) > 500);
  await redis.stop();
  heal();
  await until(
    'a clear message',
    () =>
      [...daemon.logLines('backfill paused', 'redis'), ...daemon.logLines('queue connection failed', 'ECONNREFUSED')]
        .length > 0,
  );
  expect(await waitUntilFillStops(db, QUIET_MS)).toBeLessThan(PAUSED_BLOCKS_MAX);
  chain.append(...busyBlocks(3)(3));
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  // On a slow machine a job that was begun before the outage may still go on, but the rest waits.
  expect(await waitUntilFillStops(db, QUIET_MS)).toBeLessThan(PAUSED_BLOCKS_MAX);
  await redis.resume();
  await settled();
  expect(daemon.isRunning).toBe(true);
});

test('with an unreachable queue the follower continues, and the message names the queue without its password', async () => {
  const { run, db, chain } = await scene({ url: 'redis://someone:topsecret-password@127.0.0.1:1/0', redis: undefined });
  const daemon = run('start');
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  await until(
    'a clear message',
    () => daemon.logLines('backfill paused', '"reason":"QUEUE_URL: nothing listens on 127.0.0.1:1;').length > 0,
  );
  expect(daemon.stderr).not.toContain('topsecret');
  daemon.signal('SIGTERM');
  expect(await daemon.exited).toBe(0);
});
