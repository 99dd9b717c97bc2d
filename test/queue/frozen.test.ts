import { expect, test } from 'vitest';
import { onEachQueue } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { longChain, scene } from './scene.ts';

const BLOCKS = 8_000;
/** Longer than an open commit waits for its next piece, so a process that has just committed waits only for the node. */
const PIECE_MS = 2_000;
/** A process that is silent for 10 s loses its job. Part of that time may have passed when it freezes. */
const LOST_AFTER_MS = 6_000;

await onEachQueue((place) => {
  test('frozen processes find their job done by another process when they wake, change nothing and continue', async () => {
    const { run, server, db, settled } = await scene(place(), longChain(BLOCKS));
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: PIECE_MS } });
    const backfill = run('backfill', '--from-block', '4000', '--concurrency', '1');
    const worker = run('worker', '--concurrency', '1');
    const frozen = [backfill, worker];
    await Promise.all(
      frozen.map(async (program) => {
        await until('the process to fill a piece', () => program.logLines('range filled').length > 0);
        program.signal('SIGSTOP');
      }),
    );
    const frozenAt = performance.now();
    heal();
    expect(await run('backfill', '--from-block', '4000').exited).toBe(0);
    expect(performance.now() - frozenAt).toBeGreaterThan(LOST_AFTER_MS);
    for (const program of frozen) program.signal('SIGCONT');
    expect(await backfill.exited).toBe(0);
    const before = worker.logLines('range filled').length;
    expect(await run('backfill', '--from-block', '0', '--detach').exited).toBe(0);
    await settled();
    expect(worker.logLines('range filled').length).toBeGreaterThan(before);
    worker.signal('SIGTERM');
    expect(await worker.exited).toBe(0);
    expect((await db.query('select from indexer.dead_letters')).rows).toEqual([]);
  });
});
