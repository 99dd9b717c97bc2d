import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type BackfillResult, measureBackfill } from './backfill.ts';
import { type Chain, startChain } from './chain.ts';
import { dumpRows, type FloorResult, measureFloor } from './floor.ts';
import { type FollowingResult, type FollowingSizes, measureFollowing, quantile } from './following.ts';
import { buildProgram } from './indexing-process.ts';
import { type Report, tableOf } from './report.ts';
import { SETTINGS, type Server, startServer } from './server.ts';
import { measureWorkers } from './workers.ts';
import { SIZES, World, type WorldOptions } from './world.ts';

const USAGE = `usage: npm run bench -- [--events N] [--blocks N] [--runs N] [--only backfill,floor,used,following,workers,growth]
  [--quick] [--profile FOLDER] [--json FILE]

  --events, --blocks  size of the chain (default: 500,000 events in 20,000 blocks)
  --runs              the result is the median of so many (default: 3)
  --only              parts of it; all of it takes a quarter of an hour
  --quick             100,000 events, one run, without growth
  --profile           keep a CPU profile of the indexing process there
`;
const EVENTS_PER_BLOCK = 25;
const QUICK_EVENTS = 100_000;
const QUICK_PARTS = 'backfill,floor,used,following,workers';
const GROWTH_EVENTS = [100_000, 5_000_000] as const;
const FOLLOWING: FollowingSizes = { singly: 2_000, catchUp: 2_000, announced: 500 };
const FOLLOWING_QUICK: FollowingSizes = { singly: 500, catchUp: 500, announced: 100 };

const { values: flags } = parseArgs({
  options: {
    events: { type: 'string' },
    blocks: { type: 'string' },
    runs: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    profile: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (flags.help) {
  process.stdout.write(USAGE);
} else {
  const report = await run();
  process.stdout.write(tableOf(report));
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(report, null, 2)}\n`);
}

async function run(): Promise<Report> {
  const events = Number(flags.events ?? (flags.quick ? QUICK_EVENTS : SIZES.events));
  const options: WorldOptions = { ...SIZES, events, blocks: Number(flags.blocks ?? events / EVENTS_PER_BLOCK) };
  const runs = Number(flags.runs ?? (flags.quick ? 1 : 3));
  const only = new Set((flags.only ?? (flags.quick ? QUICK_PARTS : `${QUICK_PARTS},growth`)).split(','));
  await buildProgram();
  const server = await startServer(new World(options));
  try {
    const measured = await withChain(options, (chain) => measure(server, chain, options, runs, only));
    return {
      machine: `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux, Node ${process.version}`,
      postgres: `PostgreSQL ${server.version}`,
      settings: SETTINGS,
      chain: options,
      runs,
      ...measured,
      growth: only.has('growth') ? await measureGrowth(server) : undefined,
    };
  } finally {
    await server.stop();
  }
}

async function measure(
  server: Server,
  chain: Chain,
  options: WorldOptions,
  runs: number,
  only: ReadonlySet<string>,
): Promise<Pick<Report, 'backfill' | 'floor' | 'used' | 'following' | 'workers'>> {
  const fills: BackfillResult[] = [];
  const floors: FloorResult[] = [];
  const uses: BackfillResult[] = [];
  const follows: FollowingResult[] = [];
  for (let run = 1; run <= runs; run++) {
    if (only.has('backfill') || only.has('floor')) {
      const { url, result } = await measureBackfill(server, chain, options, {
        name: 'backfill',
        flags: profileFlags(),
      });
      note(`backfill, run ${run}: ${Math.round(result.eventsPerSecond)} events/s`);
      fills.push(result);
      if (only.has('floor')) {
        const dump = await dumpRows(url);
        const floor = await measureFloor(server, dump, 'floor');
        await dump.remove();
        note(`COPY floor, run ${run}: ${Math.round(options.events / (floor.wallMs / 1_000))} events/s`);
        floors.push(floor);
      }
      await server.dropDatabase('backfill');
    }
    if (only.has('used')) {
      const { result } = await measureBackfill(server, chain, options, { name: 'used', inUse: true });
      note(`backfill into tables in use, run ${run}: ${Math.round(result.eventsPerSecond)} events/s`);
      uses.push(result);
      await server.dropDatabase('used');
    }
    if (only.has('following')) {
      const sizes = flags.quick ? FOLLOWING_QUICK : FOLLOWING;
      const result = await measureFollowing(server, chain, sizes, 'following');
      note(`follower, run ${run}: ${Math.round(result.blocksPerSecond)} blocks/s`);
      follows.push(result);
    }
  }
  const workers = only.has('workers') ? await measureWorkers(server, chain, options) : undefined;
  for (const one of workers ?? [])
    note(`${one.processes} processes, ${one.latencyMs} ms: ${Math.round(one.eventsPerSecond)} events/s`);
  return {
    workers,
    backfill: fills.length === 0 ? undefined : medianFill(fills),
    used: uses.length === 0 ? undefined : medianFill(uses),
    floor: floors.length === 0 ? undefined : medianFloor(floors, fills),
    following: follows.length === 0 ? undefined : medianFollow(follows),
  };
}

async function measureGrowth(server: Server): Promise<NonNullable<Report['growth']>> {
  const costs: { events: number; microsecondsPerEvent: number; peakRssBytes: number }[] = [];
  for (const events of GROWTH_EVENTS) {
    const options: WorldOptions = { ...SIZES, events, blocks: events / EVENTS_PER_BLOCK };
    const { result } = await withChain(options, (chain) => measureBackfill(server, chain, options, { name: 'growth' }));
    await server.dropDatabase('growth');
    costs.push({
      events,
      microsecondsPerEvent: 1_000_000 / result.eventsPerSecond,
      peakRssBytes: result.peakRssBytes,
    });
    note(`growth, ${events} events: ${Math.round(result.eventsPerSecond)} events/s`);
  }
  return costs;
}

async function withChain<T>(options: WorldOptions, work: (chain: Chain) => Promise<T>): Promise<T> {
  const chain = await startChain(options);
  try {
    return await work(chain);
  } finally {
    await chain.stop();
  }
}

/** The run of the median speed, whole, so that its parts belong together. */
function medianFill(results: readonly BackfillResult[]): BackfillResult {
  const speed = quantile(
    results.map((result) => result.eventsPerSecond),
    0.5,
  );
  return results.find((result) => result.eventsPerSecond === speed) as BackfillResult;
}

/** Ratios are of each fill to the floor that was measured right after it. */
function medianFloor(floors: readonly FloorResult[], fills: readonly BackfillResult[]): NonNullable<Report['floor']> {
  const ratios = (of: (fill: BackfillResult, floor: FloorResult) => number) =>
    quantile(
      floors.map((floor, at) => of(fills[at] as BackfillResult, floor)),
      0.5,
    );
  return {
    wallMs: ratios((_, floor) => floor.wallMs),
    postgresCpuMs: ratios((_, floor) => floor.postgresCpuMs),
    speedRatio: ratios((fill, floor) => floor.wallMs / fill.wallMs),
    cpuRatio: ratios((fill, floor) => fill.postgresCpuMs / floor.postgresCpuMs),
  };
}

function medianFollow(results: readonly FollowingResult[]): FollowingResult {
  const median = (of: Exclude<keyof FollowingResult, 'perBlock'>) =>
    quantile(
      results.map((result) => result[of]),
      0.5,
    );
  return {
    blocksPerSecond: median('blocksPerSecond'),
    catchUpBlocksPerSecond: median('catchUpBlocksPerSecond'),
    latencyMedianMs: median('latencyMedianMs'),
    latencyP99Ms: median('latencyP99Ms'),
    peakRssBytes: median('peakRssBytes'),
    perBlock: results[0]?.perBlock ?? [],
  };
}

function profileFlags(): readonly string[] {
  return flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(flags.profile)}`];
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
