import { expect, test } from 'vitest';
import { queueNameOf } from '../../indexer/backfill/queue.ts';
import { openDatabase } from '../../indexer/db/database.ts';
import { onEachQueue, type QueueLocation } from '../kit/redis.ts';
import type { Scene } from '../kit/scene.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { digestOf, filledBlocks, longChain, scene } from './scene.ts';

await onEachQueue((place) => {
  test('the same backfill by two processes beside a daemon completes although the queue is emptied midway', async () => {
    const chain = longChain(6_000);
    const quiet = await scene(place(), chain);
    expect(await quiet.run('backfill', '--from-block', '0').exited).toBe(0);
    const busy = await scene(place(), chain);
    const { run, server, db, url, settled } = busy;
    const heal = slowDown(server, 200);
    run('start');
    const asked = [run('backfill', '--from-block', '0'), run('backfill', '--from-block', '0', '--concurrency', '1')];
    await until('some history', async () => (await filledBlocks(db)) > 500);
    await emptyQueue(place(), busy);
    expect(await filledBlocks(db)).toBeLessThan(5_900);
    heal();
    expect(await Promise.all(asked.map(({ exited }) => exited))).toEqual([0, 0]);
    await settled();
    expect(await digestOf(url)).toEqual(await digestOf(quiet.url));
  });
});

/** Empties the queue without telling the processes that use it. */
async function emptyQueue({ redis }: QueueLocation, { db }: Scene): Promise<void> {
  if (redis !== undefined) await redis.run((client) => client.flushall());
  else await db.query('truncate bullmq.job cascade');
}

test('the queue name is the same for every process and differs between databases and chains', async () => {
  const [first, second] = [
    await scene({ url: undefined, redis: undefined }),
    await scene({ url: undefined, redis: undefined }),
  ];
  const nameOf = async (url: string, chainId: number) => {
    const database = openDatabase({ url, maxConnections: 1 });
    try {
      return await queueNameOf(database.kysely, chainId);
    } finally {
      await database.close();
    }
  };
  expect(await nameOf(first.url, 1)).toBe(await nameOf(first.url, 1));
  expect(await nameOf(first.url, 1)).not.toBe(await nameOf(second.url, 1));
  expect(await nameOf(first.url, 1)).not.toBe(await nameOf(first.url, 10));
});
