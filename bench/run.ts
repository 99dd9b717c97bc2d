import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareWith, tableOfComparison } from './against.ts';
import type { FollowingSizes } from './following.ts';
import { measureIds } from './ids.ts';
import { buildProgram } from './indexing-process.ts';
import { measureContractCounts, measureGrowth, measureProvider, measureRuns, type ProviderPlan } from './measure.ts';
import { CALLS_PER_SECOND } from './provider.ts';
import { type Report, tableOf } from './report.ts';
import { SETTINGS, type Server, startServer } from './server.ts';
import { EVENTS_PER_BLOCK, SIZES, SPARSE, World, type WorldOptions } from './world.ts';

const USAGE = `usage: npm run bench -- [--events N] [--blocks N] [--runs N] [--only PARTS] [--ids-rows N] [--full] [--burst N]
  [--contracts N] [--quick] [--profile FOLDER] [--json FILE] [--against COMMIT|FOLDER [--rounds N] [--at-once]]

  --events, --blocks  size of the chain (default: 500,000 events in 20,000 blocks)
  --runs              figures are the median of this many runs (default: 3)
  --only              comma-separated parts: backfill,floor,used,following,workers,growth,contracts,ids,
                      provider (default: all of them);
                      of "provider", the parts fill,head,sparse by themselves
  --ids-rows          rows that the part "ids" writes (default: 5,000,000; the long form is 20,000,000)
  --full              measure "provider" at full size (default: a tenth of it, or --events and --blocks)
  --burst             calls that the provider of the part "provider" takes at once (default: 25, those of one second)
  --contracts         contracts with which "provider" follows the head, besides 10 (default: 2,000)
  --quick             100,000 events, one run, without growth, ids and provider
  --profile           write a CPU profile of the indexing process into this folder
  --json              write the report into this file too
  --against           compare with another commit, or with another folder that holds a working tree: run the benchmark of
                      each side in turn, and exit 1 where a figure is below 0.97 of the other side's
                      (--only: backfill,following,used,latency; default: backfill,following,latency)
  --rounds            runs of each side (default: 5)
  --at-once           run both sides at the same time, so that changes of the machine's speed concern both
`;
const QUICK_EVENTS = 100_000;
const QUICK_PARTS = 'backfill,floor,used,following,workers';
const ALL_PARTS = `${QUICK_PARTS},growth,contracts,ids,provider`;
const COMPARED_PARTS = 'backfill,following,latency';
const RUNS = 3;
const ROUNDS = 5;
const IDS_ROWS = 5_000_000;
/** A tenth of the default, because the provider accepts only 25 calls per second. */
const PROVIDER_EVENTS = 50_000;
const PROVIDER_PARTS = ['provider', 'fill', 'head', 'sparse'];
const HEAD_CONTRACTS = 2_000;
const FOLLOWING_SIZES: FollowingSizes = { singly: 2_000, catchUp: 2_000, announced: 500 };
const FOLLOWING_SIZES_QUICK: FollowingSizes = { singly: 500, catchUp: 500, announced: 100 };

const { values: flags } = parseArgs({
  options: {
    events: { type: 'string' },
    blocks: { type: 'string' },
    runs: { type: 'string' },
    only: { type: 'string' },
    'ids-rows': { type: 'string' },
    contracts: { type: 'string' },
    burst: { type: 'string' },
    full: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    profile: { type: 'string' },
    json: { type: 'string' },
    against: { type: 'string' },
    rounds: { type: 'string' },
    'at-once': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const events = Number(flags.events ?? (flags.quick ? QUICK_EVENTS : SIZES.events));
const options: WorldOptions = { ...SIZES, events, blocks: Number(flags.blocks ?? events / EVENTS_PER_BLOCK) };

if (flags.help) {
  process.stdout.write(USAGE);
} else if (flags.against !== undefined) {
  const parts = partsOf(flags.only ?? COMPARED_PARTS);
  const sizes = { ...options, quick: flags.quick };
  const rounds = { count: Number(flags.rounds ?? ROUNDS), atOnce: flags['at-once'] };
  const comparison = await compareWith(flags.against, parts, rounds, sizes, note);
  process.stdout.write(tableOfComparison(comparison));
  await writeJson(comparison);
  if (comparison.figures.some(({ isSlower }) => isSlower)) process.exitCode = 1;
} else {
  const report = await run();
  process.stdout.write(tableOf(report));
  await writeJson(report);
}

async function run(): Promise<Report> {
  const runs = Number(flags.runs ?? (flags.quick ? 1 : RUNS));
  const parts = partsOf(flags.only ?? (flags.quick ? QUICK_PARTS : ALL_PARTS));
  const world = new World(options);
  await buildProgram();
  const server = await startServer(world);
  let report: Report;
  try {
    const followingSizes = flags.quick ? FOLLOWING_SIZES_QUICK : FOLLOWING_SIZES;
    report = {
      machine: `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux, Node ${process.version}`,
      postgres: `PostgreSQL ${server.version}`,
      settings: SETTINGS,
      chain: options,
      runs,
      ...(await measureRuns({ server, options, followingSizes, runs, parts, nodeFlags: profileFlags(), note })),
      provider: PROVIDER_PARTS.some((part) => parts.has(part))
        ? await measureProvider(providerPlan(server, world, parts))
        : undefined,
      growth: parts.has('growth') ? await measureGrowth(server, note) : undefined,
      contracts: parts.has('contracts') ? await measureContractCounts({ server, options, note }, world) : undefined,
    };
  } finally {
    await server.stop();
  }
  const idsRows = Number(flags['ids-rows'] ?? IDS_ROWS);
  return parts.has('ids') ? { ...report, ids: await measureIds(world, idsRows, note) } : report;
}

function providerPlan(server: Server, world: World, parts: ReadonlySet<string>): ProviderPlan {
  const isWhole = flags.full || flags.events !== undefined;
  const tenth = { ...options, events: PROVIDER_EVENTS, blocks: PROVIDER_EVENTS / EVENTS_PER_BLOCK };
  const burst = Number(flags.burst ?? CALLS_PER_SECOND);
  const contracts = Number(flags.contracts ?? HEAD_CONTRACTS);
  const { events: logs, blocks, ...rest } = SPARSE;
  const sparse = flags.full ? SPARSE : { ...rest, events: logs / 10, blocks: blocks / 10 };
  return { server, world, options: isWhole ? options : tenth, sparse, parts, note, burst, contracts };
}

function partsOf(names: string): ReadonlySet<string> {
  return new Set(names.split(','));
}

function profileFlags(): readonly string[] {
  return flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(flags.profile)}`];
}

async function writeJson(value: unknown): Promise<void> {
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(value, null, 2)}\n`);
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
