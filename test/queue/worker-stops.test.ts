import { expect, test } from 'vitest';
import { onEachQueue } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain, scene } from './scene.ts';

/** One job. */
const JOB_BLOCKS = 2_000;
const PIECE_MS = 1_000;
const STOPPED_WITHIN_MS = 3_000;
/** Far less than the 10 s after which a job is taken from a worker that is silent. */
const TAKEN_WITHIN_MS = 5_000;

await onEachQueue((place) => {
  test('a worker that is told to stop in the middle of a job exits 0, and another has the job at once', async () => {
    const { run, server, db } = await scene(place(), longChain(JOB_BLOCKS + 200));
    // The head becomes known, and the range that it needs.
    expect(await run('backfill', '--from-block', String(JOB_BLOCKS + 100)).exited).toBe(0);
    server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: PIECE_MS } });
    const workers = [run('worker'), run('worker')];
    await until('both', () => workers.every((worker) => worker.said('working') > 0));
    const request = ['--from-block', '0', '--to-block', String(JOB_BLOCKS - 1)];
    expect(await run('backfill', ...request, '--detach').exited).toBe(0);
    const busy = await until('one to work', () => workers.find((worker) => worker.said('filled') > 0));
    const idle = workers.find((worker) => worker !== busy);
    const hasWorked = () => (idle?.said('filled') ?? 0) > 0;
    expect(hasWorked()).toBe(false);
    busy.signal('SIGTERM');
    const since = performance.now();
    expect(await busy.exited).toBe(0);
    expect(performance.now() - since).toBeLessThan(STOPPED_WITHIN_MS);
    await until('the other to have it', hasWorked, TAKEN_WITHIN_MS);
    await until('the range', async () => (await filledBlocks(db)) >= JOB_BLOCKS);
  });
});
