import { describe, expect, it, test } from 'vitest';
import {
  decideRetry,
  type Failure,
  type FailureHistory,
  NO_FAILURES,
  OUTAGES_BEFORE_DOUBT,
} from '../../indexer/backfill/decide-retry.ts';
import { PieceSize } from '../../indexer/backfill/fill-job.ts';
import { cutGaps, WINDOW_JOBS } from '../../indexer/backfill/plan.ts';
import { jobId } from '../../indexer/backfill/queue.ts';
import { lineOf, ProgressBar } from '../../indexer/cli/progress-bar.ts';
import {
  ConfigError,
  FactConflict,
  RpcError,
  type RpcErrorKind,
  RpcInconsistency,
  StaleRange,
} from '../../indexer/kernel/errors.ts';

const noJitter = () => 0;

describe('cutGaps', () => {
  it('cuts the oldest gaps first, into adjacent jobs that do not overlap', () => {
    const jobs = cutGaps(
      [
        { from: 0, to: 9_999 },
        { from: 12_000, to: 12_010 },
      ],
      10_011,
      10,
    );
    expect(jobs).toEqual([
      { from: 0, to: 3_999 },
      { from: 4_000, to: 7_999 },
      { from: 8_000, to: 9_999 },
      { from: 12_000, to: 12_010 },
    ]);
  });

  it('returns at most the requested number of jobs, however many blocks are missing', () => {
    const blocks = 20_000_000;
    const jobs = cutGaps([{ from: 0, to: blocks - 1 }], blocks, WINDOW_JOBS);
    expect(jobs).toHaveLength(WINDOW_JOBS);
    expect(jobs[0]).toEqual({ from: 0, to: 49_999 });
    expect(cutGaps([{ from: 0, to: 9 }], 10, 0)).toEqual([]);
  });
});

test('a job id is deterministic for a range and plan, and contains no character that BullMQ rejects', () => {
  const job = { chainId: 1, from: 5, to: 9, standing: true };
  expect(jobId(job, 3, 0)).toBe('1-5-9-3-0');
  expect(jobId(job, 3, 1)).not.toBe(jobId(job, 3, 0));
  expect(jobId(job, 3, 0)).not.toContain(':');
});

describe('decideRetry', () => {
  const rpcError = (kind: RpcErrorKind, code?: number) => new RpcError(kind, 'no', { context: { code } });
  const connectionRefused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const sqlError = (code: string) => Object.assign(new Error('no'), { code });
  const piece = { from: 100, to: 199 };
  /** Returns the decision about an error at blocks 100 to 199 of a chain whose endpoint responds. */
  const decisionOn = (error: unknown, rest: Partial<Failure> = {}) =>
    decideRetry({ error, piece, history: NO_FAILURES, head: 1_000, ...rest }, noJitter);
  const afterOutages = (times: number) => ({ history: { outages: times, narrowings: 0 } });

  it('plans a stale range again', () => {
    expect(decisionOn(new StaleRange('an unwind'))).toEqual({ do: 'plan again' });
  });

  it('gives up at once on a request that every node rejects, and on blocks that are pruned', () => {
    expect(decisionOn(rpcError('rejected'))).toEqual({ do: 'give up', on: 'piece' });
    expect(decisionOn(rpcError('pruned'))).toMatchObject({ do: 'give up', on: 'unserved', unserved: ['pruned'] });
  });

  test.each([
    { what: 'the configuration is wrong', error: new ConfigError('no'), head: 1_000 },
    { what: 'the endpoint serves no logs at all', error: rpcError('rejected', -32_601), head: 1_000 },
    { what: 'an endpoint is unreachable', error: rpcError('unavailable'), head: undefined },
    { what: 'an endpoint is behind', error: rpcError('unknown-block'), head: 198 },
    { what: 'an endpoint that is behind does not respond', error: rpcError('unknown-block'), head: undefined },
    { what: 'the provider rate-limits requests', error: rpcError('rate-limited'), head: 1_000 },
    { what: 'the database is unreachable', error: connectionRefused, head: 1_000 },
    { what: 'the database connection breaks during a write', error: sqlError('EPIPE'), head: 1_000 },
    { what: 'the database shuts down', error: sqlError('57P01'), head: 1_000 },
    { what: 'the database has become read-only', error: sqlError('25006'), head: 1_000 },
    { what: 'the database ends an idle transaction', error: sqlError('25P03'), head: 1_000 },
    { what: 'the database ends a long transaction', error: sqlError('25P04'), head: 1_000 },
    { what: 'the database ends an idle session', error: sqlError('57P05'), head: 1_000 },
    { what: 'the database has no connection left', error: sqlError('53300'), head: 1_000 },
  ])('waits without limit while $what', ({ error, head }) => {
    for (const times of [0, OUTAGES_BEFORE_DOUBT, 10_000])
      expect(decisionOn(error, { ...afterOutages(times), head })).toMatchObject({
        do: 'wait',
        history: { outages: times + 1 },
      });
  });

  test.each(['unavailable', 'unknown-block'] as const)(
    'gives up on blocks that stay %s for long while the endpoint serves everything else, but keeps those it could read',
    (kind) => {
      let history: FailureHistory = { outages: OUTAGES_BEFORE_DOUBT - 1, narrowings: 0 };
      const decideAgain = (answers = true) => {
        const decision = decisionOn(rpcError(kind), { history, head: answers ? 1_000 : undefined });
        if ('history' in decision) history = decision.history;
        return decision;
      };
      expect(decideAgain()).toMatchObject({ do: 'wait' });
      // The endpoint may have recovered at this moment.
      expect(decideAgain()).toMatchObject({ do: 'wait' });
      expect(decideAgain(false)).toMatchObject({ do: 'wait' });
      expect(decideAgain()).toMatchObject({ do: 'wait' });
      expect(decideAgain()).toMatchObject({ do: 'give up', on: 'unserved', unserved: expect.arrayContaining([kind]) });
    },
  );

  const errorsOfTheRange = [
    { what: 'a contradiction', error: new RpcInconsistency('no') },
    { what: 'facts that no coverage claims', error: new FactConflict('no') },
    { what: 'a statement that took too long', error: sqlError('57014') },
    { what: 'a value that does not fit', error: sqlError('22003') },
    { what: 'a programming error', error: new TypeError('no') },
  ];
  test.each(errorsOfTheRange)(
    'retries $what with ever narrower ranges down to a single block, then gives up',
    ({ error }) => {
      let history: FailureHistory = NO_FAILURES;
      let blocks = 50_000;
      const widths: number[] = [];
      for (;;) {
        const decision = decisionOn(error, { history, piece: { from: 0, to: blocks - 1 } });
        if (decision.do !== 'narrow') {
          expect(decision).toEqual({ do: 'give up', on: 'piece' });
          break;
        }
        widths.push(blocks);
        history = decision.history;
        blocks = Math.max(1, Math.floor(blocks / 8));
      }
      expect(widths).toEqual([50_000, 6_250, 781, 97, 12]);
      expect(blocks).toBe(1);
    },
  );

  test.each(errorsOfTheRange)('does not count earlier outages against $what', ({ error }) => {
    const decision = decisionOn(error, afterOutages(OUTAGES_BEFORE_DOUBT));
    expect(decision).toMatchObject({ do: 'narrow', history: { outages: 0, narrowings: 1, suspect: piece } });
  });

  it('starts counting again when the error is at other blocks', () => {
    const history = { outages: 0, narrowings: 4, suspect: { from: 0, to: 99 } };
    expect(decisionOn(new RpcInconsistency('no'), { history })).toMatchObject({
      history: { narrowings: 1, suspect: piece },
    });
    const inside = { ...history, suspect: { from: 50, to: 199 } };
    expect(decisionOn(new RpcInconsistency('no'), { history: inside })).toMatchObject({ history: { narrowings: 5 } });
  });

  it('waits longer after each failure, with jitter, up to 30 seconds', () => {
    const delays = [0, 1, 2, 20].map((times) => {
      const decision = decisionOn(rpcError('unavailable'), { ...afterOutages(times), head: undefined });
      return 'delayMs' in decision ? decision.delayMs : 0;
    });
    expect(delays).toEqual([500, 1_000, 2_000, 30_000]);
    const failure = { error: rpcError('unavailable'), piece, history: NO_FAILURES, head: undefined };
    expect(decideRetry(failure, () => 0.99)).toMatchObject({ delayMs: 253 });
  });
});

describe('PieceSize', () => {
  it('grows over empty blocks, step by step, up to its bound', () => {
    const size = new PieceSize();
    const first = size.blocks;
    size.record(first, 0);
    expect(size.blocks).toBe(4 * first);
    for (let step = 0; step < 20; step += 1) size.record(size.blocks, 0);
    expect(size.blocks).toBe(50_000);
  });

  it('is bounded by bytes, not by blocks', () => {
    const size = new PieceSize();
    size.record(10_000, 20_000_000);
    expect(size.blocks).toBe(1_200);
    size.record(1, 1_000_000_000);
    expect(size.blocks).toBe(1);
  });
});

const PROGRESS = {
  blocks: 2_000,
  blocksDone: 500,
  events: 9,
  eventsPerSecond: 12_345,
  blocksPerSecond: 240,
  secondsLeft: 90,
  rangeBlocks: 250,
  retries: 1,
};

/** Returns what a terminal shows for a text. Understands the sequences that move to a column and that clear the line. */
function screenOf(written: string): string {
  const lines = [''];
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  for (const [part, argument, command] of written.matchAll(/\u001b\[(\d*)([GK])|\r|\n|[^\u001b\r\n]+/g)) {
    const line = lines.at(-1) ?? '';
    if (command === 'G') column = Number(argument) - 1;
    else if (command === 'K') lines[lines.length - 1] = argument === '2' ? ' '.repeat(column) : line.slice(0, column);
    else if (part === '\r') column = 0;
    else if (part === '\n') [column] = [0, lines.push('')];
    else {
      lines[lines.length - 1] = line.slice(0, column) + part + line.slice(column + part.length);
      column += part.length;
    }
  }
  return lines.join('\n');
}

describe('progress on a terminal', () => {
  it('shows blocks, percentage, events, time left, range size and retries', () => {
    expect(lineOf(PROGRESS, 120)).toBe(
      '[######..................] 25.0 %  500/2,000 blocks  12,345 events/s  1 min 30 s left  250 blocks a range  1 retry',
    );
  });

  it('says how many blocks are proved, once all are filled and are to be proved too', () => {
    expect(lineOf({ ...PROGRESS, blocksDone: 2_000, blocksProved: 1_500 }, 120)).toBe(
      '[##################......] 75.0 %  proving, 1,500 of 2,000 blocks',
    );
  });

  it('shows blocks a second when another process writes the events', () => {
    expect(lineOf({ ...PROGRESS, eventsPerSecond: 0 }, 120)).toContain('  240 blocks/s  ');
  });

  it('fits its line into the terminal: first the bar shrinks, then the end is cut off', () => {
    const words = '25.0 %  500/2,000 blocks  12,345 events/s  1 min 30 s left  250 blocks a range  1 retry';
    expect(lineOf(PROGRESS, 100)).toBe(`[${'##........'}] ${words}`);
    expect(lineOf(PROGRESS, 90)).toBe(words);
    expect(lineOf(PROGRESS, 40)).toBe(words.slice(0, 40));
  });

  it('redraws its line in place and puts other output above it', () => {
    let written = '';
    const bar = new ProgressBar({ write: (text) => (written += text), isTTY: true, columns: 91 });
    bar.show({ ...PROGRESS, blocksDone: 400 });
    bar.show(PROGRESS);
    bar.above.write('a warning\n');
    bar.end();
    expect(screenOf(written)).toBe(`a warning\n${lineOf(PROGRESS, 90)}\n`);
    bar.above.write('the end\n');
    expect(screenOf(written)).toBe(`a warning\n${lineOf(PROGRESS, 90)}\nthe end\n`);
  });

  it('writes a line of JSON each time when the output is not a terminal', () => {
    let written = '';
    const bar = new ProgressBar({ write: (text) => (written += text) });
    bar.show(PROGRESS);
    bar.end();
    expect(JSON.parse(written)).toEqual({ progress: PROGRESS });
  });
});
