import { expect, test } from 'vitest';
import { announceAll, busyBlocks } from '../kit/music.ts';
import { onEachQueue } from '../kit/redis.ts';
import { atHead } from '../kit/settled.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain, scene } from './scene.ts';

const BLOCKS = 4_000;

await onEachQueue((place) => {
  test('contracts added to a running daemon are followed at once and filled by the daemon and a worker', async () => {
    const { chain, server, db, artist, run, settled } = await scene(place(), longChain(BLOCKS), { announce: false });
    const daemon = run('start');
    await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
    const worker = run('worker');
    await until('the worker', () => worker.logLines('worker started').length > 0);
    const heal = slowDown(server, 150, 10);
    await announceAll(db, artist, chain);
    await until('the contracts to be live', async () => {
      const { rows } = await db.query('select bool_and(live_from is not null) as live from indexer.contracts');
      if (rows[0]?.live !== true) chain.append(...busyBlocks(3)(1));
      return rows[0]?.live === true;
    });
    expect(await filledBlocks(db)).toBeLessThan(BLOCKS - 100);
    heal();
    await settled();
    expect(daemon.logLines('range filled').length + worker.logLines('range filled').length).toBeGreaterThan(1);
    expect(await Promise.all([daemon.stop(), worker.stop()])).toEqual([0, 0]);
  });
});
