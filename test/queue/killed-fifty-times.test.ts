import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRandom } from '../../indexer/demo/random.ts';
import { onEachQueue } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { digestOf, filledBlocks, longChain, scene } from './scene.ts';

const KILLS = 50;
const WORKERS = 3;
const LIFE_MAX_MS = 600;
const BLOCKS = 12_000;
const TIMEOUT_MS = 180_000;

await onEachQueue((place) => {
  test('workers killed fifty times, wherever they stand: equal rows, equal digest', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const chain = longChain(BLOCKS);
    const { run, server, db, url, settled } = await scene(place(), chain);
    const random = seededRandom(20_260_103);
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 250 } });
    // It leads and plans, and works on little itself.
    const backfill = run('backfill', '--from-block', '0', '--concurrency', '1');
    let kills = 0;
    let killedAtWork = 0;
    const dieAgain = async () => {
      while (kills < KILLS) {
        kills += 1;
        const worker = run('worker');
        await until('a worker at work', () => worker.said('working') > 0 || !worker.isRunning);
        await wait(random.below(LIFE_MAX_MS));
        if (backfill.isRunning) killedAtWork += 1;
        worker.signal('SIGKILL');
        await worker.exited;
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, dieAgain));
    heal();
    expect(await backfill.exited).toBe(0);
    expect(killedAtWork).toBeGreaterThan(KILLS / 5);
    await settled();
    expect(await filledBlocks(db)).toBeGreaterThan(BLOCKS - 100);
    const quiet = await scene(place(), chain);
    expect(await quiet.run('backfill', '--from-block', '0').exited).toBe(0);
    expect(await digestOf(url)).toEqual(await digestOf(quiet.url));
  });
});
