import { expect, test } from 'vitest';
import { hasRedis, redisServer } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain, scene } from './scene.ts';

test.skipIf(!(await hasRedis()))(
  'a backfill and a worker started before Redis report it, wait, and fill history once Redis is up',
  async () => {
    const redis = await redisServer();
    await redis.stop();
    const { run, server, db, settled } = await scene({ url: redis.url, redis }, longChain(8_000));
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 500 } });
    const worker = run('worker', '--concurrency', '1');
    const backfill = run('backfill', '--from-block', '0', '--concurrency', '1');
    const both = [worker, backfill];
    const reason = `"reason":"QUEUE_URL: nothing listens on ${new URL(redis.url).host}; start Redis there`;
    await until('both to report it', () =>
      both.every((program) => program.logLines('queue connection failed', reason).length > 0),
    );
    await until('the head', () => backfill.logLines('following').length > 0);
    expect(both.every(({ isRunning }) => isRunning)).toBe(true);
    expect(await filledBlocks(db)).toBeLessThan(100);
    await redis.resume();
    await until('both to fill', () => both.every((program) => program.logLines('range filled').length > 0));
    heal();
    expect(await backfill.exited).toBe(0);
    await settled();
    worker.signal('SIGTERM');
    expect(await worker.exited).toBe(0);
  },
);
