import type pg from 'pg';
import { expect, test } from 'vitest';
import { indexesOf } from '../kit/indexes.ts';
import { database } from '../kit/scene.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { digestOf, filledBlocks, IN_POSTGRES, scene } from './scene.ts';

async function countDeferred(db: pg.Pool): Promise<number> {
  const { rows } = await db.query('select count(*)::int as count from indexer.deferred_indexes');
  return rows[0]?.count;
}

async function allIndexes(): Promise<readonly string[]> {
  return indexesOf((await database()).db);
}

test('a killed load leaves its deferred indexes to the next load, which builds them at its end', async () => {
  const { run, server, settled, db, url } = await scene(IN_POSTGRES);
  const heal = slowDown(server, 150);
  const killed = run('backfill', '--from-block', '0');
  await until('some history', async () => (await filledBlocks(db)) > 500);
  killed.signal('SIGKILL');
  await killed.exited;
  expect(await countDeferred(db)).toBeGreaterThan(20);
  const status = run('status');
  expect(await status.exited).toBe(0);
  expect(status.stdout).toContain('indexes were deferred by an initial load');
  heal();
  expect(await run('backfill', '--from-block', '0').exited).toBe(0);
  expect(await countDeferred(db)).toBe(0);
  expect(await indexesOf(db)).toEqual(await allIndexes());
  await settled();
  const quiet = await scene(IN_POSTGRES);
  expect(await quiet.run('backfill', '--from-block', '0').exited).toBe(0);
  expect(await indexesOf(quiet.db)).toEqual(await allIndexes());
  expect(await digestOf(url)).toEqual(await digestOf(quiet.url));
});

test('a load stopped by Ctrl-C reports unbuilt indexes, and a daemon builds them', async () => {
  const { run, server, settled, db } = await scene(IN_POSTGRES);
  const heal = slowDown(server, 150);
  const stopped = run('backfill', '--from-block', '0');
  await until('some history', async () => (await filledBlocks(db)) > 500);
  stopped.signal('SIGINT');
  expect(await stopped.exited).toBe(1);
  expect(stopped.stdout).toContain('indexes are not built yet');
  expect(await countDeferred(db)).toBeGreaterThan(20);
  heal();
  run('start');
  await until('the indexes', async () => (await countDeferred(db)) === 0);
  expect(await filledBlocks(db)).toBeGreaterThan(3_900);
  expect(await indexesOf(db)).toEqual(await allIndexes());
  await settled();
});

test('a daemon with nothing to fill builds the indexes of a load that died at its end', async () => {
  const { run, settled, db } = await scene(IN_POSTGRES);
  expect(await run('backfill', '--from-block', '0').exited).toBe(0);
  await db.query(`
    insert into indexer.deferred_indexes (name, definition)
    select 'public.pool_events_tx_idx', pg_get_indexdef('pool_events_tx_idx'::regclass);
    drop index pool_events_tx_idx`);
  run('start');
  await until('the index', async () => (await countDeferred(db)) === 0);
  expect(await indexesOf(db)).toEqual(await allIndexes());
  await settled();
});

test('a table that holds facts keeps its indexes during a large backfill', async () => {
  const { run, db } = await scene(IN_POSTGRES);
  expect(await run('backfill', '--from-block', '3900').exited).toBe(0);
  const filling = run('backfill', '--from-block', '0');
  await until('some history', async () => (await filledBlocks(db)) > 500);
  expect(await indexesOf(db)).toEqual(await allIndexes());
  expect(await filling.exited).toBe(0);
});
