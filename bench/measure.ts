import { type BackfillResult, measureBackfill } from './backfill.ts';
import { type Chain, withChain } from './chain.ts';
import { type ContractsResult, measureContracts } from './contracts.ts';
import { dumpRows, type FloorResult, measureFloor } from './floor.ts';
import { type FollowingResult, type FollowingSizes, measureFollowing } from './following.ts';
import { measureProviderFill, type ProviderFillResult } from './provider-fill.ts';
import { type HeadResult, measureHead } from './provider-head.ts';
import type { ProviderResult } from './provider-report.ts';
import { median } from './quantile.ts';
import type { FloorComparison, GrowthResult, Report } from './report.ts';
import type { Server } from './server.ts';
import { measureWorkers } from './workers.ts';
import { EVENTS_PER_BLOCK, SIZES, type World, type WorldOptions } from './world.ts';

/** The parts to measure on one chain, and how often. */
export type RunPlan = {
  readonly server: Server;
  readonly options: WorldOptions;
  readonly followingSizes: FollowingSizes;
  /** Figures are the median of this many runs. */
  readonly runs: number;
  /** Names as in the usage text of the benchmark. */
  readonly parts: ReadonlySet<string>;
  /** Flags of Node for the indexing process of the backfill and of the follower. */
  readonly nodeFlags: readonly string[];
  /** Called with each line of progress. */
  readonly note: (text: string) => void;
};

/** The results of the parts that are measured on the chain of `RunPlan`. */
export type RunResults = Pick<Report, 'backfill' | 'floor' | 'used' | 'following' | 'workers'>;

const PARTS = ['backfill', 'floor', 'used', 'following', 'workers'] as const;
/** The numbers of followed contracts with which "contracts" is measured. "head" is measured with the smaller one, too. */
const CONTRACTS_FEW = 10;
const CONTRACTS_MANY = 10_000;
const HEADS = ['announced', 'polled'] as const;
const GROWTH_EVENTS = [100_000, 5_000_000] as const;

/** Measures the parts that share one chain. Starts no chain server if there are none. */
export async function measureRuns(plan: RunPlan): Promise<RunResults> {
  if (!PARTS.some((part) => plan.parts.has(part))) return {};
  return withChain(plan.options, plan.server.contracts, (chain) => measureParts(chain, plan));
}

async function measureParts(chain: Chain, plan: RunPlan): Promise<RunResults> {
  const { server, options, parts, note } = plan;
  const fills: BackfillResult[] = [];
  const floors: FloorResult[] = [];
  const usedFills: BackfillResult[] = [];
  const follows: FollowingResult[] = [];
  for (let run = 1; run <= plan.runs; run++) {
    if (parts.has('backfill') || parts.has('floor')) {
      const { fill, floor } = await measureFill(chain, plan);
      note(`backfill, run ${run}: ${Math.round(fill.eventsPerSecond)} events/s`);
      fills.push(fill);
      if (floor !== undefined) {
        note(`COPY floor, run ${run}: ${Math.round(options.events / (floor.wallMs / 1_000))} events/s`);
        floors.push(floor);
      }
    }
    if (parts.has('used')) {
      const { result } = await measureBackfill(server, chain, options, { name: 'used', inUse: true });
      note(`backfill into tables in use, run ${run}: ${Math.round(result.eventsPerSecond)} events/s`);
      usedFills.push(result);
      await server.dropDatabase('used');
    }
    if (parts.has('following')) {
      const result = await measureFollowing(server, chain, plan.followingSizes, 'following', plan.nodeFlags);
      note(`follower, run ${run}: ${Math.round(result.blocksPerSecond)} blocks/s`);
      follows.push(result);
    }
  }
  const workers = parts.has('workers') ? await measureWorkers(server, chain, options) : undefined;
  for (const { processes, latencyMs, eventsPerSecond } of workers ?? []) {
    note(`processes: ${processes}, latency ${latencyMs} ms: ${Math.round(eventsPerSecond)} events/s`);
  }
  return {
    workers,
    backfill: fills.length === 0 ? undefined : medianFill(fills),
    used: usedFills.length === 0 ? undefined : medianFill(usedFills),
    floor: floors.length === 0 ? undefined : medianFloor(floors, fills),
    following: follows.length === 0 ? undefined : medianFollow(follows),
  };
}

/** Measures a backfill and, right after it, the floor: the cost of writing the same rows by `COPY` alone. */
async function measureFill(
  chain: Chain,
  { server, options, parts, nodeFlags }: RunPlan,
): Promise<{ readonly fill: BackfillResult; readonly floor: FloorResult | undefined }> {
  const { url, result } = await measureBackfill(server, chain, options, { name: 'backfill', flags: nodeFlags });
  let floor: FloorResult | undefined;
  if (parts.has('floor')) {
    const dump = await dumpRows(url);
    floor = await measureFloor(server, dump, 'floor');
    await dump.remove();
  }
  await server.dropDatabase('backfill');
  return { fill: result, floor };
}

/** Measures the cost of an event in a small and in a large backfill. */
export async function measureGrowth(server: Server, note: (text: string) => void): Promise<GrowthResult[]> {
  const results: GrowthResult[] = [];
  for (const events of GROWTH_EVENTS) {
    const options: WorldOptions = { ...SIZES, events, blocks: events / EVENTS_PER_BLOCK };
    const { result } = await withChain(options, server.contracts, (chain) =>
      measureBackfill(server, chain, options, { name: 'growth' }),
    );
    await server.dropDatabase('growth');
    note(`growth, ${events} events: ${Math.round(result.eventsPerSecond)} events/s`);
    const microsecondsPerEvent = 1_000_000 / result.eventsPerSecond;
    results.push({ events, microsecondsPerEvent, peakRssBytes: result.peakRssBytes });
  }
  return results;
}

/** Measures what few and many followed contracts cost. */
export async function measureContractCounts(
  { server, options, note }: Pick<RunPlan, 'server' | 'options' | 'note'>,
  world: World,
): Promise<ContractsResult[]> {
  const results: ContractsResult[] = [];
  for (const count of [CONTRACTS_FEW, CONTRACTS_MANY]) {
    note(`${count} contracts`);
    results.push(await measureContracts(server, world, options, count));
  }
  return results;
}

/** How to measure the calls of the indexer to a provider. */
export type ProviderPlan = Pick<RunPlan, 'server' | 'options' | 'parts' | 'note'> & {
  readonly world: World;
  /** The size of the chain whose history is sparse. */
  readonly sparse: WorldOptions;
  /** The number of calls that the provider accepts at once. */
  readonly burst: number;
  /** The larger number of contracts with which the head is followed. The smaller one is `CONTRACTS_FEW`. */
  readonly contracts: number;
};

/** Measures the calls of the indexer to a provider. */
export async function measureProvider(plan: ProviderPlan): Promise<ProviderResult> {
  const isAsked = (part: string) => plan.parts.has('provider') || plan.parts.has(part);
  return {
    fills: isAsked('fill') ? await measureProviderFills(plan) : [],
    heads: isAsked('head') ? await measureHeads(plan) : [],
    sparse: isAsked('sparse') ? await measureSparse(plan) : undefined,
  };
}

async function measureProviderFills({ server, options, note, burst }: ProviderPlan): Promise<ProviderFillResult[]> {
  return withChain(options, server.contracts, async (chain) => {
    const results: ProviderFillResult[] = [];
    for (const blockTimestamp of [true, false]) {
      const provider = { blockTimestamp, burst, isProved: true };
      const result = await measureProviderFill(server, chain, options, provider);
      note(`fill ${blockTimestamp ? 'with' : 'without'} blockTimestamp: ${result.fill.callsTotal} calls`);
      results.push(result);
    }
    return results;
  });
}

async function measureSparse({ server, sparse, note, burst }: ProviderPlan): Promise<ProviderFillResult> {
  note(`sparse history of ${sparse.blocks} blocks`);
  const provider = { blockTimestamp: true, burst, isProved: false };
  return withChain(sparse, server.contracts, (chain) => measureProviderFill(server, chain, sparse, provider));
}

async function measureHeads({ server, world, contracts, note }: ProviderPlan): Promise<HeadResult[]> {
  const results: HeadResult[] = [];
  for (const count of [CONTRACTS_FEW, contracts]) {
    note(`head, ${count} contracts`);
    // Both are measured at the same time, because each mostly waits for the next block.
    results.push(...(await Promise.all(HEADS.map((heads) => measureHead(server, world, heads, count)))));
  }
  return results;
}

/** Returns the whole result of the run with the median speed, so that its figures belong together. */
function medianFill(results: readonly BackfillResult[]): BackfillResult {
  const speed = median(results.map((result) => result.eventsPerSecond));
  return results.find((result) => result.eventsPerSecond === speed) as BackfillResult;
}

/** Compares each backfill with the floor that was measured right after it, and returns the medians. */
function medianFloor(floors: readonly FloorResult[], fills: readonly BackfillResult[]): FloorComparison {
  const medianOf = (figure: (fill: BackfillResult, floor: FloorResult) => number) =>
    median(floors.map((floor, run) => figure(fills[run] as BackfillResult, floor)));
  return {
    wallMs: medianOf((_, floor) => floor.wallMs),
    postgresCpuMs: medianOf((_, floor) => floor.postgresCpuMs),
    speedRatio: medianOf((fill, floor) => floor.wallMs / fill.wallMs),
    cpuRatio: medianOf((fill, floor) => fill.postgresCpuMs / floor.postgresCpuMs),
  };
}

function medianFollow(results: readonly FollowingResult[]): FollowingResult {
  const medianOf = (figure: Exclude<keyof FollowingResult, 'perBlock'>) =>
    median(results.map((result) => result[figure]));
  return {
    blocksPerSecond: medianOf('blocksPerSecond'),
    catchUpBlocksPerSecond: medianOf('catchUpBlocksPerSecond'),
    latencyMedianMs: medianOf('latencyMedianMs'),
    latencyP99Ms: medianOf('latencyP99Ms'),
    peakRssBytes: medianOf('peakRssBytes'),
    processCpuMs: medianOf('processCpuMs'),
    postgresCpuMs: medianOf('postgresCpuMs'),
    perBlock: results[0]?.perBlock ?? [],
  };
}
