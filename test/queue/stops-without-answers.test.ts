import { setTimeout as wait } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { chainSettings } from '../kit/daemon.ts';
import { Program } from '../kit/program.ts';
import { TcpProxy } from '../kit/proxy.ts';
import { expectFactsAsCovered } from '../kit/settled.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, IN_POSTGRES, longChain, scene } from './scene.ts';

/** Long enough for statements and requests for connections to pile up. */
const SILENCE_MS = 3_000;

test('SIGTERM ends daemon, worker and backfill within 15 s while PostgreSQL accepts and never answers, and the rest is left for later', async () => {
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const { env, server, db, chain, settled } = await scene(IN_POSTGRES, longChain(4_000), { databaseProxy: proxy });
  // With a monthly budget, the processes also try to record their spending when they stop. This fails too.
  const settings = chainSettings(env, { rpcUrls: [{ url: server.url, monthlyCalls: 1_000_000 }] });
  const run = (...args: readonly string[]) => new Program(args, env, { settings });
  const heal = slowDown(server, 500);
  const [daemon, worker, backfill] = [run('start'), run('worker'), run('backfill', '--from-block', '0')];
  await until('all of them to run', () =>
    [daemon.logLines('daemon started'), worker.logLines('worker started'), backfill.logLines('', 'chain')].every(
      (lines) => lines.length > 0,
    ),
  );
  await until('some history', async () => (await filledBlocks(db)) > 0);
  proxy.stall();
  await wait(SILENCE_MS);
  const codes = await Promise.all([daemon, worker, backfill].map((program) => program.stop()));
  // After 12 s the program exits by force, with code 1 and without a last message.
  // The backfill fails because it is not complete. Daemon and worker have no work to complete, so they succeed.
  expect(codes).toEqual([0, 0, 1]);
  expect(backfill.log.at(-1)?.msg).toMatch(/^indexer: /);
  proxy.heal();
  await expectFactsAsCovered(db, chain);
  heal();
  expect(await run('backfill', '--from-block', '0').exited).toBe(0);
  await settled();
});
