import { expect, test } from 'vitest';
import { onEachQueue } from '../kit/redis.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { digestOf, filledBlocks, scene } from './scene.ts';

await onEachQueue((place) => {
  test('a backfill without a daemon leads the chain itself and ends when coverage is complete', async () => {
    const { run, settled, db } = await scene(place());
    const backfill = run('backfill', '--from-block', '0', '--json');
    expect(await backfill.exited).toBe(0);
    expect(JSON.parse(backfill.stdout)).toMatchObject({ ended: 'complete', request: { from: 0, to: 4_000 } });
    await settled();
    expect((await db.query('select status from indexer.backfills')).rows).toEqual([{ status: 'finished' }]);
  });

  test('a backfill interrupted by Ctrl-C and repeated equals an uninterrupted one', async () => {
    const quiet = await scene(place());
    expect(await quiet.run('backfill', '--from-block', '0').exited).toBe(0);
    const { run, server, settled, db, url } = await scene(place());
    const heal = slowDown(server, 150);
    const first = run('backfill', '--from-block', '0', '--concurrency', '1');
    await until('some history', async () => (await filledBlocks(db)) > 500);
    first.signal('SIGINT');
    expect(await first.exited).toBe(1);
    expect(first.stderr).toContain('Continue with: indexer backfill --chain 31337 --from-block 0 --to-block 4000');
    expect(await filledBlocks(db)).toBeLessThan(3_900);
    expect((await db.query('select status from indexer.backfills')).rows).toEqual([{ status: 'cancelled' }]);
    heal();
    expect(await run('backfill', '--from-block', '0').exited).toBe(0);
    expect(await run('backfill', '--from-block', '0').exited).toBe(0);
    await settled();
    expect(await digestOf(url)).toEqual(await digestOf(quiet.url));
  });
});
