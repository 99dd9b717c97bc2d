import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { busyBlocks } from '../kit/music.ts';
import { hasRedis, onEachQueue, redisServer } from '../kit/redis.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { digestOf, filledBlocks, IN_POSTGRES, longChain, scene, waitUntilFillStops } from './scene.ts';

const PIECE_MS = 500;

await onEachQueue((place) => {
  test('four overlapping backfills beside a daemon on a reorging chain exit 0 with the digest of a single run', async () => {
    const chain = longChain(5_000);
    const { run, server, url, settled } = await scene(place(), chain);
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 100 } });
    const daemon = run('start');
    const backfills = [0, 0, 0, 2_000].map((from) => run('backfill', '--from-block', String(from)));
    await until('all backfills to run', () => backfills.every((backfill) => backfill.stderr.includes('{"progress"')));
    const blocks = busyBlocks(8);
    for (const depth of [1, 4, 20, 2, 35]) {
      chain.append(...blocks(3));
      await wait(400);
      chain.reorg(depth, blocks(depth + 1));
      await wait(400);
    }
    heal();
    expect(await Promise.all(backfills.map(({ exited }) => exited))).toEqual([0, 0, 0, 0]);
    await settled();
    daemon.signal('SIGTERM');
    expect(await daemon.exited).toBe(0);
    const quiet = await scene(place(), chain);
    expect(await quiet.run('backfill', '--from-block', '0').exited).toBe(0);
    expect(await digestOf(url)).toEqual(await digestOf(quiet.url));
  });

  test('a detached request is filled by a worker, shown by status and ended by cancel', async () => {
    const { run, server, db, settled } = await scene(place(), longChain(8_000));
    // This backfill makes the head known and covers the blocks that are not final.
    expect(await run('backfill', '--from-block', '7900').exited).toBe(0);
    const heal = slowDown(server, PIECE_MS);
    expect(await run('backfill', '--from-block', '0', '--detach').exited).toBe(0);
    const worker = run('worker', '--concurrency', '1');
    await until('the worker', async () => (await filledBlocks(db)) > 300);
    const status = run('backfill', 'status', '--json');
    await status.exited;
    expect(JSON.parse(status.stdout).requests[0]).toMatchObject({ status: 'running', from: 0, to: 8_000 });
    expect(await run('backfill', 'cancel').exited).toBe(0);
    // Filling stops although most blocks are missing.
    expect(await waitUntilFillStops(db, 4 * PIECE_MS)).toBeLessThan(7_900);
    heal();
    expect(await run('backfill', '--from-block', '0', '--detach').exited).toBe(0);
    await until('the request to be finished', async () => {
      const { rows } = await db.query('select status from indexer.backfills order by created_at desc limit 1');
      return rows[0]?.status === 'finished';
    });
    worker.signal('SIGTERM');
    expect(await worker.exited).toBe(0);
    await settled();
  });
});

test.skipIf(!(await hasRedis()))('several databases share one Redis without interfering with each other', async () => {
  const redis = await redisServer();
  const place = { url: redis.url, redis };
  const scenes = await Promise.all([1, 2, 3].map((seed) => scene(place, longChain(3_000, seed))));
  const runs = scenes.flatMap(({ run }) => [run('backfill', '--from-block', '0'), run('worker')]);
  expect(await Promise.all(runs.filter((_, at) => at % 2 === 0).map(({ exited }) => exited))).toEqual([0, 0, 0]);
  for (const { settled } of scenes) await settled();
  const keys = await redis.run((client) => client.keys('{indexer-*}:*'));
  expect(new Set(keys.map((key) => key.split('}')[0])).size).toBe(3);
});

test('--from-block, --to-block and --contract limit what is filled, and invalid ones are refused', async () => {
  const { run, db } = await scene(IN_POSTGRES, longChain(4_000));
  const { rows } = await db.query('select address, kind from indexer.contracts order by address');
  const [{ address }] = rows as [{ address: string }];
  const backfill = run('backfill', '--from-block', '1000', '--to-block', '1999', '--contract', address);
  expect(await backfill.exited).toBe(0);
  const covered = await db.query('select address, covered::text from indexer.contracts order by address');
  expect(covered.rows).toEqual(
    rows.map((row) => ({ address: row.address, covered: row.address === address ? '{[1000,2000)}' : '{}' })),
  );
  const beyond = run('backfill', '--from-block', '0', '--to-block', '5000');
  expect(await beyond.exited).toBe(2);
  expect(beyond.stderr).toContain('block 5000 does not exist yet: chain 31337 is at block 4000');
  const unregistered = run('backfill', '--from-block', '0', '--contract', `0x${'12'.repeat(20)}`);
  expect(await unregistered.exited).toBe(2);
  expect(unregistered.stderr).toContain(`not registered on chain 31337: 0x${'12'.repeat(20)}`);
});
