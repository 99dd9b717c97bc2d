import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Fault } from '../kit/chain-server.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, IN_POSTGRES, longChain, recordRanges, scene } from './scene.ts';

const BLOCKS = 32_000;
const LATENCY_MS = 1_000;
const TROUBLE_MS = 1_000;
const RETRY_AFTER_MS = 4_000;
/** A width that is only reached again if the range size grows after it was narrowed from 2,000 blocks. */
const WIDE_BLOCKS = 1_000;

const TROUBLES: readonly Fault[] = [
  { methods: ['eth_getLogs'], do: { kind: 'truncate' } },
  { do: { kind: 'error', code: -32_603, message: 'internal error' } },
  { do: { kind: 'http', status: 502 } },
  { do: { kind: 'http', status: 429 } },
  { do: { kind: 'http', status: 429, headers: { 'retry-after': String(RETRY_AFTER_MS / 1_000) } } },
];

test('a backfill resumes after each kind of node failure, and its ranges grow again', async () => {
  const { run, server, db, settled } = await scene(IN_POSTGRES, longChain(BLOCKS));
  // Slow enough that history lasts until the last trouble, also where this test often waits for a busy machine.
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: LATENCY_MS } });
  const backfill = run('backfill', '--from-block', '0', '--concurrency', '2');
  const waitForProgress = (before: number) =>
    until('more blocks to be filled', async () => (await filledBlocks(db)) > before);
  await waitForProgress(0);
  // One request is never answered. The others continue until it times out and is repeated.
  server.misbehave({ methods: ['eth_getLogs'], times: 1, do: { kind: 'hang' } });
  await until('a request to hang', () => server.faults === 1);
  let rangeBlocks: readonly number[] = [];
  for (const trouble of TROUBLES) {
    const since = performance.now();
    const end = server.misbehave(trouble);
    await wait(TROUBLE_MS);
    // Read before the trouble ends, since the rest of history may be filled before a query is answered.
    const before = await filledBlocks(db);
    end();
    // The first trouble narrows the ranges. On a busy machine, history may be read to its end before the last trouble is over.
    if (trouble === TROUBLES[0]) rangeBlocks = recordRanges(server);
    await waitForProgress(before);
    if (trouble === TROUBLES.at(-1)) {
      // Some requests were in flight at the first Retry-After. After them, none arrives for most of that time.
      const arrivals = server.arrivals.filter((at) => at > since);
      const pauses = arrivals.slice(1).map((at, place) => at - (arrivals[place] ?? at));
      expect(Math.max(...pauses)).toBeGreaterThan(RETRY_AFTER_MS / 2);
    }
  }
  expect(backfill.logLines('source: range narrowed').length).toBeGreaterThan(0);
  heal();
  expect(await backfill.exited).toBe(0);
  expect(Math.max(...rangeBlocks)).toBeGreaterThan(WIDE_BLOCKS);
  await settled();
  expect((await db.query('select from indexer.dead_letters')).rows).toEqual([]);
});
