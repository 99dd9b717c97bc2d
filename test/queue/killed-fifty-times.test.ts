import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRandom } from '../kit/random.ts';
import { onEachQueue } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { digestOf, filledBlocks, longChain, scene } from './scene.ts';

/** Fifty kills over both queues. */
const KILLS = { redis: 30, postgres: 20 };
const WORKERS = 3;
const LIFE_MAX_MS = 700;
const BLOCKS = 12_000;

/** The digest of the same chain filled by one process without kills, shared by the tests of both queues. */
let undisturbedDigest: Promise<unknown> | undefined;
async function fillUndisturbed(): Promise<unknown> {
  const { run, url } = await scene({ url: undefined, redis: undefined }, longChain(BLOCKS));
  expect(await run('backfill', '--from-block', '0').exited).toBe(0);
  return digestOf(url);
}

await onEachQueue((place) => {
  test('workers killed at random moments end with the rows and digest of an undisturbed run', async () => {
    const chain = longChain(BLOCKS);
    const { run, server, db, url, settled } = await scene(place(), chain);
    // This backfill makes the head known and covers the blocks that are not final.
    expect(await run('backfill', '--from-block', String(BLOCKS - 100)).exited).toBe(0);
    expect(await run('backfill', '--from-block', '0', '--detach').exited).toBe(0);
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 400 } });
    const random = seededRandom(20_260_103);
    const wanted = place().redis === undefined ? KILLS.postgres : KILLS.redis;
    let kills = 0;
    let killedAtWork = 0;
    const startAndKillWorkers = async () => {
      while (kills < wanted) {
        kills += 1;
        const worker = run('worker');
        await until('a worker at work', () => worker.logLines('worker started').length > 0);
        await wait(random.below(LIFE_MAX_MS));
        if ((await filledBlocks(db)) < BLOCKS - 100) killedAtWork += 1;
        worker.signal('SIGKILL');
        await worker.exited;
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, startAndKillWorkers));
    heal();
    const survivor = run('worker');
    await until(
      'the request to be finished',
      async () => (await db.query("select from indexer.backfills where status = 'running'")).rows.length === 0,
    );
    expect(killedAtWork).toBeGreaterThan(wanted / 3);
    survivor.signal('SIGTERM');
    expect(await survivor.exited).toBe(0);
    await settled();
    undisturbedDigest ??= fillUndisturbed();
    expect(await digestOf(url)).toEqual(await undisturbedDigest);
  });
});
