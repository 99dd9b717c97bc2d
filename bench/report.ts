import type { BackfillResult } from './backfill.ts';
import type { FloorResult } from './floor.ts';
import type { FollowingResult } from './following.ts';
import type { Statement } from './statements.ts';
import type { WorkersResult } from './workers.ts';
import type { WorldOptions } from './world.ts';

/** Everything that one run of the benchmark found out. */
export type Report = {
  readonly machine: string;
  readonly postgres: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly chain: WorldOptions;
  readonly runs: number;
  readonly backfill: BackfillResult | undefined;
  readonly floor: (FloorResult & { readonly speedRatio: number; readonly cpuRatio: number }) | undefined;
  /** Into tables that hold facts already. */
  readonly used: BackfillResult | undefined;
  readonly following: FollowingResult | undefined;
  readonly workers: readonly WorkersResult[] | undefined;
  readonly growth:
    | readonly { readonly events: number; readonly microsecondsPerEvent: number; readonly peakRssBytes: number }[]
    | undefined;
};

const STATEMENT_CHARS = 100;
const BATCH_EVENTS = 25_000;

/** The report for people. */
export function tableOf(report: Report): string {
  const { chain, backfill, floor, used, following, workers, growth } = report;
  const size = `${whole(chain.events)} events in ${whole(chain.blocks)} blocks, ${whole(chain.holders)} holders, ${whole(chain.tokens)} tokens`;
  const lines = ['', `${report.machine}; ${report.postgres}`, `${size}; median of ${report.runs}`, ''];
  const row = (name: string, value: string, note = '') =>
    lines.push(`${name.padEnd(36)}${value.padStart(12)}  ${note}`.trimEnd());
  if (backfill !== undefined) {
    row('backfill', whole(backfill.eventsPerSecond), 'events/s');
    if (floor !== undefined) {
      row('COPY floor', whole(chain.events / (floor.wallMs / 1_000)), 'events/s');
      row('ratio to the floor', floor.speedRatio.toFixed(2), 'at least 0.65');
    }
    row('wall time', seconds(backfill.wallMs), 's');
    row('CPU of the indexing process', seconds(backfill.processCpuMs), 's');
    row('CPU of PostgreSQL', seconds(backfill.postgresCpuMs), 's');
    if (floor !== undefined) {
      row(
        'CPU of PostgreSQL for the floor',
        seconds(floor.postgresCpuMs),
        `s; the backfill takes ${floor.cpuRatio.toFixed(2)} ×`,
      );
    }
    row('peak memory of the process', megabytes(backfill.peakRssBytes), 'MB, at most 300');
    row('database', megabytes(backfill.databaseBytes), 'MB');
  }
  if (used !== undefined)
    row('backfill into tables in use', whole(used.eventsPerSecond), 'events/s, all indexes kept up');
  if (following !== undefined) {
    row('follower, a commit a block', whole(following.blocksPerSecond), 'blocks/s, at least 200');
    row('', whole(following.blocksPerSecond * (chain.events / chain.blocks)), 'events/s');
    row('follower, catching up by itself', whole(following.catchUpBlocksPerSecond), 'blocks/s');
    row('announced to readable, median', following.latencyMedianMs.toFixed(1), 'ms, at most 30');
    row('announced to readable, p99', following.latencyP99Ms.toFixed(1), 'ms, at most 150');
    row('peak memory of the daemon', megabytes(following.peakRssBytes), 'MB');
  }
  for (const { latencyMs, processes, eventsPerSecond, postgresShare, busyShare } of workers ?? []) {
    const alone = workers?.find((one) => one.latencyMs === latencyMs && one.processes === 1)?.eventsPerSecond ?? 1;
    row(
      `${processes === 1 ? 'one process' : `${processes} processes`}, node answers in ${latencyMs} ms`,
      whole(eventsPerSecond),
      `events/s, ${(eventsPerSecond / alone).toFixed(2)} ×; the machine is ${whole(100 * busyShare)} % busy, ${whole(100 * postgresShare)} % with PostgreSQL`,
    );
  }
  for (const { events, microsecondsPerEvent, peakRssBytes } of growth ?? []) {
    row(
      `cost at ${whole(events)} events`,
      microsecondsPerEvent.toFixed(1),
      `µs an event, peak ${megabytes(peakRssBytes)} MB`,
    );
  }
  const [small, large] = growth ?? [];
  if (small !== undefined && large !== undefined) {
    row('growth', (large.microsecondsPerEvent / small.microsecondsPerEvent).toFixed(2), 'at most 1.30');
  }
  if (backfill !== undefined) {
    lines.push('', `PostgreSQL's time in the backfill, ms per ${whole(BATCH_EVENTS)} events`, '');
    const share = BATCH_EVENTS / chain.events;
    lines.push(...backfill.statements.flatMap((one) => statementLine(one, share, one.calls)));
  }
  if (following !== undefined) {
    lines.push('', 'PostgreSQL in the follower, ms per 1,000 blocks, and how often a block', '');
    lines.push(...following.perBlock.flatMap((one) => statementLine(one, 1_000, one.calls)));
  }
  return `${lines.join('\n')}\n`;
}

function statementLine({ text, totalMs }: Statement, share: number, calls: number): string[] {
  const ms = totalMs * share;
  const times = calls < 10 ? calls.toFixed(1) : whole(calls);
  return ms < 0.5 ? [] : [`${ms.toFixed(1).padStart(9)}  ${times.padStart(8)} ×  ${text.slice(0, STATEMENT_CHARS)}`];
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
