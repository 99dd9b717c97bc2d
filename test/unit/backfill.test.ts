import { describe, expect, it, test } from 'vitest';
import { Pace } from '../../indexer/backfill/fill-job.ts';
import { cutGaps, WINDOW_JOBS } from '../../indexer/backfill/plan.ts';
import { jobId } from '../../indexer/backfill/queue.ts';
import { ATTEMPTS_MAX, judgeFailure, OUTAGE_ATTEMPTS } from '../../indexer/backfill/verdict.ts';
import { lineOf } from '../../indexer/cli/progress-bar.ts';
import {
  ConfigError,
  FactConflict,
  RpcError,
  type RpcErrorKind,
  RpcInconsistency,
  StaleRange,
} from '../../indexer/kernel/errors.ts';

const never = () => 0;

describe('cutGaps', () => {
  it('cuts the oldest gaps first, into disjoint jobs that touch', () => {
    const jobs = cutGaps(
      [
        { from: 0, to: 4_999 },
        { from: 7_000, to: 7_010 },
      ],
      5_011,
      10,
    );
    expect(jobs).toEqual([
      { from: 0, to: 1_999 },
      { from: 2_000, to: 3_999 },
      { from: 4_000, to: 4_999 },
      { from: 7_000, to: 7_010 },
    ]);
  });

  it('gives no more jobs than asked for, however much is missing', () => {
    const blocks = 20_000_000;
    const jobs = cutGaps([{ from: 0, to: blocks - 1 }], blocks, WINDOW_JOBS);
    expect(jobs).toHaveLength(WINDOW_JOBS);
    expect(jobs[0]).toEqual({ from: 0, to: 49_999 });
    expect(cutGaps([{ from: 0, to: 9 }], 10, 0)).toEqual([]);
  });
});

test('the id of a job is the same for the same range of the same plan, and has nothing that BullMQ rejects', () => {
  const job = { chainId: 1, from: 5, to: 9, standing: true };
  expect(jobId(job, 3, 0)).toBe('1-5-9-3-0');
  expect(jobId(job, 3, 1)).not.toBe(jobId(job, 3, 0));
  expect(jobId(job, 3, 0)).not.toContain(':');
});

describe('judgeFailure', () => {
  const rpc = (kind: RpcErrorKind) => new RpcError(kind, 'no');
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const state = (code: string) => Object.assign(new Error('no'), { code });

  it('plans a range anew that is only out of date', () => {
    expect(judgeFailure(new StaleRange('an unwind'), 0, true)).toEqual({ do: 'plan again' });
  });

  test.each([
    { what: 'pruned history', error: rpc('pruned'), on: 'rest of job' },
    { what: 'a request that no node will take', error: rpc('rejected'), on: 'piece' },
  ])('gives up at once on $what', ({ error, on }) => {
    expect(judgeFailure(error, 0, true)).toEqual({ do: 'give up', on });
  });

  test.each([
    { what: 'the configuration is wrong', error: new ConfigError('no') },
    { what: 'an endpoint is away', error: rpc('unavailable') },
    { what: 'an endpoint is behind', error: rpc('unknown-block') },
    { what: 'the database is away', error: refused },
    { what: 'the database shuts down', error: state('57P01') },
    { what: 'the database has no connection left', error: state('53300') },
  ])('waits for ever while $what', ({ error }) => {
    for (const failures of [0, OUTAGE_ATTEMPTS, 10_000])
      expect(judgeFailure(error, failures, false)).toMatchObject({ do: 'wait' });
  });

  it('slows down for ever where it is told to, also by an endpoint that lives', () => {
    expect(judgeFailure(rpc('rate-limited'), 10_000, true)).toMatchObject({ do: 'wait' });
  });

  it('gives up on a range where the endpoint answers everything else', () => {
    expect(judgeFailure(rpc('unavailable'), OUTAGE_ATTEMPTS, true)).toEqual({ do: 'give up', on: 'piece' });
  });

  test.each([
    { what: 'a contradiction', error: new RpcInconsistency('no') },
    { what: 'facts that no coverage claims', error: new FactConflict('no') },
    { what: 'a statement that took too long', error: state('57014') },
    { what: 'a value that does not fit', error: state('22003') },
    { what: 'a programming error', error: new TypeError('no') },
  ])('tries $what with less and less, then gives up', ({ error }) => {
    expect(judgeFailure(error, 0, true)).toMatchObject({ do: 'narrow' });
    expect(judgeFailure(error, ATTEMPTS_MAX - 1, true)).toEqual({ do: 'give up', on: 'piece' });
  });

  it('waits longer after each failure, with jitter, half a minute at most', () => {
    const delays = [0, 1, 2, 20].map((failures) => {
      const verdict = judgeFailure(rpc('unavailable'), failures, false, never);
      return 'delayMs' in verdict ? verdict.delayMs : 0;
    });
    expect(delays).toEqual([500, 1_000, 2_000, 30_000]);
    expect(judgeFailure(rpc('unavailable'), 0, false, () => 0.99)).toMatchObject({ delayMs: expect.closeTo(252.5) });
  });
});

describe('Pace', () => {
  it('grows over empty blocks, step by step, and no further than its bound', () => {
    const pace = new Pace();
    const first = pace.blocks;
    pace.seen(first, 0);
    expect(pace.blocks).toBe(4 * first);
    for (let step = 0; step < 20; step += 1) pace.seen(pace.blocks, 0);
    expect(pace.blocks).toBe(50_000);
  });

  it('is bounded by bytes, not by blocks', () => {
    const pace = new Pace();
    pace.seen(10_000, 20_000_000);
    expect(pace.blocks).toBe(250);
    pace.seen(1, 1_000_000_000);
    expect(pace.blocks).toBe(1);
  });
});

test('the line for people tells blocks, share, events, time left, range and retries', () => {
  const line = lineOf({
    ...{
      blocks: 2_000,
      blocksDone: 500,
      events: 9,
      eventsPerSecond: 12_345,
      secondsLeft: 90,
      rangeBlocks: 250,
      retries: 1,
    },
  });
  expect(line).toBe(
    '[######..................] 25.0 %  500/2,000 blocks  12,345 events/s  1 min 30 s left  250 blocks a range  1 retry',
  );
});
