import type { BackfillResult } from './backfill.ts';
import type { ContractsResult } from './contracts.ts';
import type { FloorResult } from './floor.ts';
import type { FollowingResult } from './following.ts';
import { type IdsResult, secondsAt, WINDOW_ROWS } from './ids.ts';
import { type ProviderResult, providerLines } from './provider-report.ts';
import type { Statement } from './statements.ts';
import type { WorkersResult } from './workers.ts';
import type { WorldOptions } from './world.ts';

/** The results of one run of the benchmark. A part that was not measured is undefined. */
export type Report = {
  readonly machine: string;
  readonly postgres: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly chain: WorldOptions;
  readonly runs: number;
  readonly backfill?: BackfillResult | undefined;
  readonly floor?: FloorComparison | undefined;
  /** The backfill into tables that hold facts already. */
  readonly used?: BackfillResult | undefined;
  readonly following?: FollowingResult | undefined;
  readonly workers?: readonly WorkersResult[] | undefined;
  readonly growth?: readonly GrowthResult[] | undefined;
  readonly ids?: readonly IdsResult[] | undefined;
  readonly contracts?: readonly ContractsResult[] | undefined;
  readonly provider?: ProviderResult | undefined;
};

/** The floor, and the backfill's speed and CPU time relative to it. */
export type FloorComparison = FloorResult & { readonly speedRatio: number; readonly cpuRatio: number };

/** The cost of an event in a backfill of some size. */
export type GrowthResult = {
  readonly events: number;
  readonly microsecondsPerEvent: number;
  readonly peakRssBytes: number;
};

const STATEMENT_CHARS = 100;
const BATCH_EVENTS = 25_000;
/** Numbers of rows at which the report shows the speed of filling `token_transfers`. */
const ID_MARKS = [5_000_000, 20_000_000] as const;

/** Returns the report as a table of text. */
export function tableOf(report: Report): string {
  const { chain, backfill, following } = report;
  const size = `${whole(chain.events)} events in ${whole(chain.blocks)} blocks, ${whole(chain.holders)} holders, ${whole(chain.tokens)} tokens`;
  const lines = ['', `${report.machine}; ${report.postgres}`, `${size}; median of ${report.runs}`, ''];
  lines.push(...backfillRows(report), ...followingRows(following), ...workersRows(report.workers ?? []));
  lines.push(
    ...growthRows(report.growth ?? []),
    ...contractsRows(report.contracts ?? []),
    ...idsRows(report.ids ?? []),
  );
  if (report.provider !== undefined) lines.push(...providerLines(report.provider));
  if (backfill !== undefined) {
    lines.push('', `Statements of the backfill: ms per ${whole(BATCH_EVENTS)} events, calls in all`, '');
    const share = BATCH_EVENTS / chain.events;
    lines.push(...backfill.statements.flatMap((statement) => statementRow(statement, share)));
  }
  if (following !== undefined) {
    lines.push('', 'Statements of the follower: ms per 1,000 blocks, calls per block', '');
    lines.push(...following.perBlock.flatMap((statement) => statementRow(statement, 1_000)));
  }
  return `${lines.join('\n')}\n`;
}

function backfillRows({ chain, backfill, floor, used }: Report): string[] {
  const rows: string[] = [];
  if (backfill !== undefined) {
    rows.push(row('backfill', whole(backfill.eventsPerSecond), 'events/s'));
    if (floor !== undefined) {
      rows.push(row('COPY floor', whole(chain.events / (floor.wallMs / 1_000)), 'events/s'));
      rows.push(row('ratio to the floor', floor.speedRatio.toFixed(2), 'at least 0.65'));
    }
    rows.push(row('wall time', seconds(backfill.wallMs), 's'));
    const share = (backfill.commandMs / backfill.loadMs).toFixed(2);
    rows.push(row('the whole command', seconds(backfill.commandMs), `s, ${share} × the loading alone, at most 1.10`));
    rows.push(row('CPU of the indexing process', seconds(backfill.processCpuMs), 's'));
    rows.push(row('CPU of PostgreSQL', seconds(backfill.postgresCpuMs), 's'));
    if (floor !== undefined) {
      const ratio = `s; the backfill takes ${floor.cpuRatio.toFixed(2)} ×, at most 1.30`;
      rows.push(row('CPU of PostgreSQL for the floor', seconds(floor.postgresCpuMs), ratio));
    }
    rows.push(row('peak memory of the process', megabytes(backfill.peakRssBytes), 'MB, at most 256'));
    const perEvent = (bytes: number) => `MB, ${whole(bytes / chain.events)} bytes per event`;
    rows.push(row('database', megabytes(backfill.databaseBytes), perEvent(backfill.databaseBytes)));
    rows.push(row('write-ahead log', megabytes(backfill.walBytes), perEvent(backfill.walBytes)));
  }
  if (used !== undefined) {
    rows.push(row('backfill into tables in use', whole(used.eventsPerSecond), 'events/s, with all indexes in place'));
  }
  return rows;
}

function followingRows(following: FollowingResult | undefined): string[] {
  if (following === undefined) return [];
  return [
    row('follower, one block per commit', whole(following.blocksPerSecond), 'blocks/s, at least 200'),
    row('follower, catching up', whole(following.catchUpBlocksPerSecond), 'blocks/s'),
    row('announced to readable, median', following.latencyMedianMs.toFixed(1), 'ms, at most 30'),
    row('announced to readable, p99', following.latencyP99Ms.toFixed(1), 'ms, at most 150'),
    row('CPU of the daemon, all parts', seconds(following.processCpuMs), 's'),
    row('CPU of PostgreSQL, all parts', seconds(following.postgresCpuMs), 's'),
    row('peak memory of the daemon', megabytes(following.peakRssBytes), 'MB'),
  ];
}

function workersRows(workers: readonly WorkersResult[]): string[] {
  return workers.map(({ latencyMs, processes, eventsPerSecond, postgresShare, busyShare }) => {
    const single = workers.find((result) => result.latencyMs === latencyMs && result.processes === 1);
    const ratio = (eventsPerSecond / (single?.eventsPerSecond ?? Number.NaN)).toFixed(2);
    const shares = `the machine is ${whole(100 * busyShare)} % busy, ${whole(100 * postgresShare)} % with PostgreSQL`;
    const name = processes === 1 ? 'one process' : `${processes} processes`;
    const note = `events/s, ${ratio} × one process; ${shares}`;
    return row(`${name}, node answers in ${latencyMs} ms`, whole(eventsPerSecond), note);
  });
}

function growthRows(growth: readonly GrowthResult[]): string[] {
  const rows = growth.map(({ events, microsecondsPerEvent, peakRssBytes }) => {
    const note = `µs per event, peak ${megabytes(peakRssBytes)} MB`;
    return row(`cost at ${whole(events)} events`, microsecondsPerEvent.toFixed(1), note);
  });
  const [small, large] = growth;
  if (small === undefined || large === undefined) return rows;
  return [...rows, row('growth', (large.microsecondsPerEvent / small.microsecondsPerEvent).toFixed(2), 'at most 1.30')];
}

function contractsRows(results: readonly ContractsResult[]): string[] {
  const [few] = results;
  const times = (is: number, was: number | undefined) => `${(is / (was ?? Number.NaN)).toFixed(2)} × the fewest`;
  return results.flatMap(({ contracts, eventsPerSecond, microsecondsPerEvent, millisecondsPerBlock }) => {
    const perEvent = `µs of CPU per event, ${times(microsecondsPerEvent, few?.microsecondsPerEvent)}`;
    const perBlock = `ms of CPU, ${times(millisecondsPerBlock, few?.millisecondsPerBlock)}`;
    return [
      row(`${whole(contracts)} contracts, backfill`, whole(eventsPerSecond), 'events/s'),
      row('', microsecondsPerEvent.toFixed(1), perEvent),
      row('  a block without their logs', millisecondsPerBlock.toFixed(1), perBlock),
    ];
  });
}

function idsRows(ids: readonly IdsResult[]): string[] {
  const note = `s per ${whole(WINDOW_ROWS)} rows of token_transfers`;
  return ids.flatMap((result) => {
    const filled = result.windowSeconds.length * WINDOW_ROWS;
    const marks = [...new Set([...ID_MARKS.filter((mark) => mark < filled), filled])];
    return [
      row(`${result.order} ids, at the start`, secondsAt(result, 0).toFixed(2), note),
      ...marks.map((mark) => row(`${result.order} ids, at ${whole(mark)}`, secondsAt(result, mark).toFixed(2), note)),
    ];
  });
}

function statementRow({ text, totalMs, calls }: Statement, share: number): string[] {
  const ms = totalMs * share;
  const times = calls < 10 ? calls.toFixed(1) : whole(calls);
  return ms < 0.5 ? [] : [`${ms.toFixed(1).padStart(9)}  ${times.padStart(8)} ×  ${text.slice(0, STATEMENT_CHARS)}`];
}

function row(name: string, value: string, note: string): string {
  return `${name.padEnd(36)}${value.padStart(12)}  ${note}`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

function megabytes(bytes: number): string {
  return whole(bytes / 2 ** 20);
}
