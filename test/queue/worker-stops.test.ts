import type pg from 'pg';
import { expect, test } from 'vitest';
import { onEachQueue, type QueueLocation } from '../kit/redis.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain, scene } from './scene.ts';

/** Number of blocks in one job. */
const JOB_BLOCKS = 4_000;
const PIECE_MS = 300;

await onEachQueue((place) => {
  test('a worker stopped in the middle of a job exits 0, and another worker takes the job at once', async () => {
    const { run, server, db } = await scene(place(), longChain(JOB_BLOCKS + 200));
    // This backfill makes the head known and covers the blocks that are not final.
    expect(await run('backfill', '--from-block', String(JOB_BLOCKS + 100)).exited).toBe(0);
    const heal = slowDown(server, PIECE_MS);
    const workers = [run('worker'), run('worker')];
    await until('both workers to start', () => workers.every((worker) => worker.logLines('worker started').length > 0));
    const request = ['--from-block', '0', '--to-block', String(JOB_BLOCKS - 1)];
    expect(await run('backfill', ...request, '--detach').exited).toBe(0);
    const busy = await until('one of them to fill', () =>
      workers.find((worker) => worker.logLines('range filled').length > 0),
    );
    const idle = workers.find((worker) => worker !== busy);
    const hasWorked = () => (idle?.logLines('range filled').length ?? 0) > 0;
    expect(hasWorked()).toBe(false);
    busy.signal('SIGTERM');
    expect(await busy.exited).toBe(0);
    expect(await filledBlocks(db)).toBeLessThan(JOB_BLOCKS);
    await until('the other to take the job', hasWorked);
    // The worker returned the job, so the other did not wait for its lock to expire.
    expect(await timesStalled(place(), db)).toEqual([0]);
    heal();
    await until('the range', async () => (await filledBlocks(db)) >= JOB_BLOCKS);
  });
});

/** Returns for each job in the queue how often it stalled, which means that its worker's lock expired. */
async function timesStalled({ redis }: QueueLocation, db: pg.Pool): Promise<number[]> {
  if (redis === undefined) {
    const { rows } = await db.query('select stalled_count::int as count from bullmq.job');
    return rows.map(({ count }) => count);
  }
  return redis.run(async (client) => {
    const jobs = await client.keys('{indexer-*}:backfill-*:*-*-*-*-*');
    const hashes = await Promise.all(jobs.filter((key) => /:[\d-]+$/.test(key)).map((key) => client.hget(key, 'stc')));
    return hashes.map((count) => Number(count ?? 0));
  });
}
