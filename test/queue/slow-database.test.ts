import { setTimeout as wait } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { TcpProxy } from '../kit/proxy.ts';
import { longChain, scene } from './scene.ts';

const STATEMENT_MS = 100;
const MEMORY_MIB = 400;
const JOBS_MAX = 64;

test('with 100 ms for every statement, the queue and memory stay bounded', async () => {
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const { run, db, settled } = await scene({ url: undefined, redis: undefined }, longChain(2_000), {
    databaseProxy: proxy,
  });
  proxy.delayMs = STATEMENT_MS;
  const backfill = run('backfill', '--from-block', '0');
  let [memory, jobs] = [0, 0];
  while (backfill.isRunning) {
    memory = Math.max(memory, await backfill.memory());
    const { rows } = await db.query('select count(*) from bullmq.job').catch(() => ({ rows: [] }));
    jobs = Math.max(jobs, Number(rows[0]?.count ?? 0));
    await wait(100);
  }
  expect(await backfill.exited).toBe(0);
  process.stderr.write(`slow database, backfill: ${jobs} jobs at most, ${Math.round(memory)} MiB at most\n`);
  await settled();
  expect(jobs).toBeGreaterThan(0);
  expect(jobs).toBeLessThanOrEqual(JOBS_MAX);
  expect(memory).toBeLessThan(MEMORY_MIB);
});
