import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { NO_FAILURES } from '../../indexer/backfill/decide-retry.ts';
import { Planner, WINDOW_JOBS } from '../../indexer/backfill/plan.ts';
import { BackfillQueue, type ClaimedJob, queueNameOf } from '../../indexer/backfill/queue.ts';
import { SharedQueuePool } from '../../indexer/backfill/queue-postgres.ts';
import { openDatabase } from '../../indexer/db/database.ts';
import { onEachQueue } from '../kit/redis.ts';
import { database } from '../kit/scene.ts';

const CHAIN_ID = 31_337;
const [DONE, ACTIVE, DELAYED] = [40, 5, 6];

await onEachQueue((place) => {
  test('a range that waits, is worked on or is delayed is not planned again', async () => {
    const { url, db } = await database();
    await db.query('insert into indexer.chains (chain_id, head_number, head_hash) values ($1, 1000000, $2)', [
      CHAIN_ID,
      `0x${'00'.repeat(32)}`,
    ]);
    await db.query(
      `insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, prepared_at)
       values ($1, $2, 'artist_token', $3, 0, now())`,
      [CHAIN_ID, `0x${'aa'.repeat(20)}`, randomUUID()],
    );
    const open = openDatabase({ url, maxConnections: 3 });
    onTestFinished(() => open.close());
    const settings = { url: place().url ?? url, variable: 'QUEUE_URL', pool: new SharedQueuePool() };
    const name = await queueNameOf(open.kysely, CHAIN_ID);
    const errors: Error[] = [];
    const queue = await BackfillQueue.open(settings, name, (error) => errors.push(error), new AbortController().signal);
    onTestFinished(() => queue.close());
    const planner = new Planner(open, CHAIN_ID, { standing: true });

    expect(await planner.topUp(queue)).toBe('busy');
    const claimed: ClaimedJob[] = [];
    for (let job = 0; job < DONE + ACTIVE + DELAYED; job++) claimed.push((await queue.claim()) as ClaimedJob);
    for (const job of claimed.splice(0, DONE)) await job.complete();
    for (const job of claimed.splice(0, DELAYED)) await job.delay(600_000, 'an outage', NO_FAILURES);
    expect(await queue.counts()).toEqual({
      waiting: WINDOW_JOBS - DONE - ACTIVE - DELAYED,
      active: ACTIVE,
      delayed: DELAYED,
    });
    // According to coverage, the completed jobs have filled nothing, so their ranges are planned again.
    for (let plan = 0; plan < 3; plan++) await planner.topUp(queue);
    const pending = (await queue.pending()).map(({ from, to }) => `${from}-${to}`);
    expect(pending).toHaveLength(WINDOW_JOBS);
    expect(new Set(pending).size).toBe(WINDOW_JOBS);
    expect(errors).toEqual([]);
  });
});
