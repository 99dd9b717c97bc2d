import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Fault } from '../kit/chain-server.ts';
import { until } from '../kit/until.ts';
import { expectWideEnd, filledBlocks, IN_POSTGRES, longChain, scene } from './scene.ts';

const BLOCKS = 32_000;
const TROUBLE_MS = 1_000;
const RETRY_AFTER_MS = 4_000;
/** As many as are never asked for again once a range of 2,000, the first, was narrowed and does not widen. */
const WIDE_BLOCKS = 1_000;

const TROUBLES: readonly Fault[] = [
  { methods: ['eth_getLogs'], do: { kind: 'truncate' } },
  { do: { kind: 'error', code: -32_603, message: 'internal error' } },
  { do: { kind: 'http', status: 502 } },
  { do: { kind: 'http', status: 429 } },
  { do: { kind: 'http', status: 429, headers: { 'retry-after': String(RETRY_AFTER_MS / 1_000) } } },
];

test('a node in every kind of trouble in turn: the backfill goes on each time, at last with wide ranges', async () => {
  const { run, server, db, settled } = await scene(IN_POSTGRES, longChain(BLOCKS));
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 250 } });
  const backfill = run('backfill', '--from-block', '0');
  const resumes = async () => {
    const before = await filledBlocks(db);
    await until('it to go on', async () => (await filledBlocks(db)) > before);
  };
  await resumes();
  // One is never answered; the others go on beside it until it is given up and asked again.
  server.misbehave({ methods: ['eth_getLogs'], times: 1, do: { kind: 'hang' } });
  await until('it to hang', () => server.faults === 1);
  for (const trouble of TROUBLES) {
    const since = performance.now();
    const end = server.misbehave(trouble);
    await wait(TROUBLE_MS);
    end();
    await resumes();
    if (trouble === TROUBLES.at(-1)) {
      // Some were on their way when the first was told to come later; after them nothing comes for most of that time.
      const arrivals = server.arrivals.filter((at) => at > since);
      const pauses = arrivals.slice(1).map((at, place) => at - (arrivals[place] ?? at));
      expect(Math.max(...pauses)).toBeGreaterThan(RETRY_AFTER_MS / 2);
    }
  }
  expect(backfill.said('source: range narrowed').length).toBeGreaterThan(0);
  heal();
  await expectWideEnd(backfill, server, WIDE_BLOCKS);
  await settled();
  expect((await db.query('select from indexer.dead_letters')).rows).toEqual([]);
});
