import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { Chain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { type IndexingProcess, startIndexing } from './indexing-process.ts';
import { median, quantile } from './quantile.ts';
import { Random } from './random.ts';
import type { Server } from './server.ts';
import { type Statement, statementsOf } from './statements.ts';
import { CHAIN_ID, environment } from './world.ts';

/** The speed and the latency of the follower. */
export type FollowingResult = {
  /** Speed when every block is a commit of its own. */
  readonly blocksPerSecond: number;
  /** Speed when the follower catches up, with several blocks in a commit. */
  readonly catchUpBlocksPerSecond: number;
  /** Time from the announcement of a block until its rows can be read. */
  readonly latencyMedianMs: number;
  readonly latencyP99Ms: number;
  readonly peakRssBytes: number;
  /** CPU time of all parts together, which varies less between runs than speed does. */
  readonly processCpuMs: number;
  readonly postgresCpuMs: number;
  /** Statements per block, while every block was a commit of its own. */
  readonly perBlock: readonly Statement[];
};

/** The number of blocks that each part of the measurement announces. */
export type FollowingSizes = { readonly singly: number; readonly catchUp: number; readonly announced: number };

const TIMEOUT_MS = 300_000;
const PAUSE_MIN_MS = 20;
const PAUSE_SPREAD_MS = 60;

/**
 * Runs the daemon over a chain without finalized blocks, in three parts: one block at a time, catching up, and waiting at the head.
 */
export async function measureFollowing(
  server: Server,
  chain: Chain,
  sizes: FollowingSizes,
  name: string,
  nodeFlags: readonly string[],
): Promise<FollowingResult> {
  const url = await server.createDatabase(name);
  await chain.moveTo(0, 0);
  await server.settle();
  const cpuBefore = await server.cpuMs();
  const daemon = startIndexing(['start'], { ...environment(url, chain.wsUrl), HTTP_PORT: '0' }, nodeFlags);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await untilHead(client, 0);
    await client.query('select pg_stat_statements_reset()');
    const blocksPerSecond = await followSingly(client, chain, sizes.singly);
    const statements = await statementsOf(client);
    const caughtUp = sizes.singly + sizes.catchUp;
    const catchUpMs = await timed(async () => {
      await chain.moveTo(caughtUp, 0);
      await untilHead(client, caughtUp);
    });
    const latenciesMs = await announce(client, chain, caughtUp, sizes.announced);
    const usage = await daemon.stop();
    const postgresCpuMs = (await server.cpuMs()) - cpuBefore;
    await checkDatabase(url, await chain.expectedAfter(caughtUp + sizes.announced));
    return {
      blocksPerSecond,
      catchUpBlocksPerSecond: sizes.catchUp / (catchUpMs / 1_000),
      latencyMedianMs: median(latenciesMs),
      latencyP99Ms: quantile(latenciesMs, 0.99),
      peakRssBytes: usage.peakRssBytes,
      processCpuMs: usage.cpuMs,
      postgresCpuMs,
      perBlock: statements.map(({ text, calls, totalMs }) => ({
        text,
        calls: calls / sizes.singly,
        totalMs: totalMs / sizes.singly,
      })),
    };
  } catch (error) {
    await stopQuietly(daemon);
    throw error;
  } finally {
    await client.end();
    await server.dropDatabase(name);
  }
}

/**
 * Measures the follower with a commit for each block: the server announces a block when the logs of the block before are requested,
 * so that one new block is always waiting when a commit ends, and never two.
 */
async function followSingly(client: pg.Client, chain: Chain, blocks: number): Promise<number> {
  const wallMs = await timed(async () => {
    await chain.followTo(blocks);
    await untilHead(client, blocks);
  });
  const { rows } = await client.query<{ commits: string }>(
    'select count(distinct xmin::text) as commits from indexer.block_checkpoints where number > 0',
  );
  const commits = Number(rows[0]?.commits);
  if (commits !== blocks) throw new Error(`the measurement is void: ${blocks} blocks took ${commits} commits`);
  return blocks / (wallMs / 1_000);
}

/**
 * Announces one block after another, each a random pause after the block before can be read. Returns their latencies in
 * milliseconds.
 */
async function announce(client: pg.Client, chain: Chain, head: number, count: number): Promise<number[]> {
  const random = new Random(count);
  const latencies: number[] = [];
  for (let block = head + 1; block <= head + count; block++) {
    await wait(PAUSE_MIN_MS + random.below(PAUSE_SPREAD_MS));
    const announcedAt = await chain.moveTo(block, 0);
    await untilHead(client, block, 1);
    latencies.push(performance.timeOrigin + performance.now() - announcedAt);
  }
  return latencies;
}

/** Waits until the head is at a block. Its rows can then be read too, because they commit in one transaction with the head. */
export async function untilHead(client: pg.Client, block: number, intervalMs = 10): Promise<void> {
  const query = {
    name: 'head',
    text: 'select head_number from indexer.chains where chain_id = $1',
    values: [CHAIN_ID],
  };
  for (const startedAt = performance.now(); performance.now() - startedAt < TIMEOUT_MS; ) {
    const { rows } = await client.query<{ head_number: string | null }>(query);
    if (rows[0] !== undefined && rows[0].head_number !== null && Number(rows[0].head_number) >= block) return;
    await wait(intervalMs);
  }
  throw new Error(`the daemon did not reach block ${block} in ${TIMEOUT_MS} ms`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function stopQuietly(daemon: IndexingProcess): Promise<void> {
  await daemon.stop().catch(() => undefined);
}
