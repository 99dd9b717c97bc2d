import { expect, test } from 'vitest';
import { judgeClock } from '../../indexer/doctor/examine-database.ts';
import { judgeHead } from '../../indexer/doctor/examine-endpoint.ts';
import { judgeRedisVersion } from '../../indexer/doctor/examine-queue.ts';
import { Examination, ok } from '../../indexer/doctor/finding.ts';

const NOW_S = 1_800_000_000;
const statusAt = (ageSeconds: number, blockTimeMs: number | undefined) =>
  judgeHead({ number: 9, timestamp: NOW_S - ageSeconds }, NOW_S * 1_000, blockTimeMs).status;

test('a head is old by the block time of its chain, and a chain without one may be quiet', () => {
  expect([statusAt(59, 250), statusAt(61, 250)]).toEqual(['ok', 'warning']);
  expect([statusAt(239, 12_000), statusAt(241, 12_000)]).toEqual(['ok', 'warning']);
  expect([statusAt(1e6, undefined), statusAt(-61, undefined)]).toEqual(['ok', 'warning']);
});

test('a clock that is far ahead or behind is named with its direction', () => {
  expect(judgeClock(-9_900)).toEqual(ok("differs from this machine's by 9.9 s"));
  expect(judgeClock(12_300)).toMatchObject({ status: 'warning', detail: "is 12.3 s ahead of this machine's" });
  expect(judgeClock(-12_300)).toMatchObject({ status: 'warning', detail: "is 12.3 s behind this machine's" });
});

test('a Redis that BullMQ refuses fails, and one that it does not recommend or that is silent is a warning', () => {
  const versions = ['4.0.14', '5.0.7', '6.0.16', '6.2.0', '7.4.1', '10.0.0', undefined];
  expect(versions.map((version) => judgeRedisVersion(version).status)).toEqual([
    'failed',
    'warning',
    'warning',
    'ok',
    'ok',
    'ok',
    'warning',
  ]);
});

test('a check that throws or is stopped is a finding, and the next check is made', async () => {
  const stop = new AbortController();
  const examination = new Examination('endpoint', stop.signal);
  await examination.check('broken', 'failed', () => Promise.reject(new Error('no luck')));
  const hanging = examination.check('hanging', 'warning', () => new Promise(() => undefined));
  stop.abort();
  await hanging;
  await examination.check('fine', 'failed', async () => ok('well'));
  expect(examination.findings).toMatchObject([
    { subject: 'endpoint', check: 'broken', status: 'failed', detail: 'no luck', advice: null },
    { check: 'hanging', status: 'warning' },
    { check: 'fine', status: 'ok' },
  ]);
});
