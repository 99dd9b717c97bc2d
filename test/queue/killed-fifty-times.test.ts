import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRandom } from '../kit/random.ts';
import { onEachQueue } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { digestOf, filledBlocks, longChain, scene } from './scene.ts';

/** Fifty over both queues, fewer where it is the database. */
const KILLS = { redis: 30, postgres: 20 };
const WORKERS = 3;
const LIFE_MAX_MS = 700;
const BLOCKS = 12_000;

/** The digest of the same chain filled by one process without trouble; the same for both queues. */
let quiet: Promise<unknown> | undefined;
async function quietDigest(): Promise<unknown> {
  const { run, url } = await scene({ url: undefined, redis: undefined }, longChain(BLOCKS));
  expect(await run('backfill', '--from-block', '0').exited).toBe(0);
  return digestOf(url);
}

await onEachQueue((place) => {
  test('workers killed wherever they stand: equal rows, equal digest', async () => {
    const chain = longChain(BLOCKS);
    const { run, server, db, url, settled } = await scene(place(), chain);
    // The head becomes known, and the range that it needs.
    expect(await run('backfill', '--from-block', String(BLOCKS - 100)).exited).toBe(0);
    expect(await run('backfill', '--from-block', '0', '--detach').exited).toBe(0);
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 400 } });
    const random = seededRandom(20_260_103);
    const wanted = place().redis === undefined ? KILLS.postgres : KILLS.redis;
    let kills = 0;
    let killedAtWork = 0;
    const dieAgain = async () => {
      while (kills < wanted) {
        kills += 1;
        const worker = run('worker');
        await until('a worker at work', () => worker.said('worker started').length > 0);
        await wait(random.below(LIFE_MAX_MS));
        if ((await filledBlocks(db)) < BLOCKS - 100) killedAtWork += 1;
        worker.signal('SIGKILL');
        await worker.exited;
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, dieAgain));
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
    quiet ??= quietDigest();
    expect(await digestOf(url)).toEqual(await quiet);
  });
});
