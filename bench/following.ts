import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { Chain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { type IndexingProcess, startIndexing } from './indexing-process.ts';
import { Random } from './random.ts';
import type { Server } from './server.ts';
import { type Statement, statementsOf } from './statements.ts';
import { CHAIN_ID, environment } from './world.ts';

/** What following a head cost, block by block and when catching up. */
export type FollowingResult = {
  /** Every block a commit of its own. */
  readonly blocksPerSecond: number;
  /** As the follower catches up by itself, several blocks a commit. */
  readonly catchUpBlocksPerSecond: number;
  /** From the announcement of a block to its rows readable, in milliseconds. */
  readonly latencyMedianMs: number;
  readonly latencyP99Ms: number;
  readonly peakRssBytes: number;
  /** While every block was a commit of its own, for each block. */
  readonly perBlock: readonly Statement[];
};

/** How many blocks each part of the measurement announces. */
export type FollowingSizes = { readonly singly: number; readonly catchUp: number; readonly announced: number };

const TIMEOUT_MS = 300_000;
const PAUSE_MIN_MS = 20;
const PAUSE_SPREAD_MS = 60;

/** Runs the daemon over a chain of which nothing is final: block by block, catching up, and waiting at the head. */
export async function measureFollowing(
  server: Server,
  chain: Chain,
  sizes: FollowingSizes,
  name: string,
): Promise<FollowingResult> {
  const url = await server.createDatabase(name);
  await chain.moveTo(0, 0);
  await server.settle();
  const daemon = startIndexing(['start'], { ...environment(url, chain.wsUrl), HTTP_PORT: '0' });
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
    await checkDatabase(url, await chain.expected(caughtUp + sizes.announced));
    return {
      blocksPerSecond,
      catchUpBlocksPerSecond: sizes.catchUp / (catchUpMs / 1_000),
      latencyMedianMs: quantile(latenciesMs, 0.5),
      latencyP99Ms: quantile(latenciesMs, 0.99),
      peakRssBytes: usage.peakRssBytes,
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

/** The server announces a block when the logs of the one before are asked for: the follower is behind, but never by two. */
async function followSingly(client: pg.Client, chain: Chain, blocks: number): Promise<number> {
  const wallMs = await timed(async () => {
    await chain.followTo(blocks);
    await untilHead(client, blocks);
  });
  const { rows } = await client.query<{ commits: string }>(
    'select count(distinct xmin::text) as commits from indexer.block_checkpoints where number > 0',
  );
  const commits = Number(rows[0]?.commits);
  if (commits !== blocks) throw new Error(`the benchmark is void: ${blocks} blocks came in ${commits} commits`);
  return blocks / (wallMs / 1_000);
}

/** Announces one block after another, each a moment after the one before is readable. */
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

/** The head moves in the transaction that writes the block's rows: where it is read, they are. */
async function untilHead(client: pg.Client, block: number, intervalMs = 10): Promise<void> {
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
  throw new Error(`the daemon did not come to block ${block} in ${TIMEOUT_MS} ms`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Returns the value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

async function stopQuietly(daemon: IndexingProcess): Promise<void> {
  await daemon.stop().catch(() => undefined);
}
