import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { expect } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { digest } from '../../indexer/verify/digest.ts';
import { Chain } from '../kit/chain.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { busyBlock } from '../kit/music.ts';
import type { Program } from '../kit/program.ts';
import { type Random, seededRandom } from '../kit/random.ts';
import type { QueueLocation } from '../kit/redis.ts';
import { createScene, type Scene, type SceneOptions } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

/** Only some blocks are busy, so that a chain is long enough for many jobs and still quick to build. */
const BUSY_EVERY_BLOCKS = 6;
const FINALITY_BLOCKS = 40;

/** By seed, the longest chain built so far, and the generator of its next blocks. */
const longest = new Map<number, { readonly chain: Chain; readonly random: Random }>();

/** Creates a long chain. Its last 40 blocks are not final. Chains of one seed begin with the same blocks, which are built once. */
export function longChain(blocks: number, seed = 1): Chain {
  const built = longest.get(seed) ?? { chain: new Chain({ chainId: 31_337 }), random: seededRandom(seed) };
  longest.set(seed, built);
  for (let at = built.chain.head.number; at < blocks; at++)
    built.chain.append(at % BUSY_EVERY_BLOCKS === 0 ? busyBlock(built.random) : {});
  const chain = built.chain.fork(blocks);
  chain.finalized = blocks - FINALITY_BLOCKS;
  return chain;
}

/** The queue is in PostgreSQL. For tests that do not depend on where the queue is. */
export const IN_POSTGRES: QueueLocation = { url: undefined, redis: undefined };

/** Sets up a scene with a queue and, by default, a long chain. */
export function scene(
  queue: QueueLocation,
  chain: Chain = longChain(4_000),
  options: Omit<SceneOptions, 'chain' | 'queueUrl'> = {},
): Promise<Scene> {
  return createScene({ ...options, chain, queueUrl: queue.url });
}

/** Returns the digests of all tables of a database. */
export async function digestOf(url: string): Promise<unknown> {
  const open = openDatabase({ url, maxConnections: 1 });
  try {
    return await digest(open);
  } finally {
    await open.close();
  }
}

/** Returns how many blocks are filled for the contract that has the fewest filled blocks. */
export async function filledBlocks(db: pg.Pool): Promise<number> {
  const { rows } = await db.query(`
    select min((select coalesce(sum(upper(range) - lower(range)), 0) from unnest(covered) as range)) as filled
    from indexer.contracts`);
  return Number(rows[0]?.filled ?? 0);
}

/** Waits until no block has been filled for `quietMs`, and returns how many blocks are filled. */
export async function waitUntilFillStops(db: pg.Pool, quietMs: number): Promise<number> {
  const { filled } = await until('filling to stop', async () => {
    const filled = await filledBlocks(db);
    await wait(quietMs);
    return (await filledBlocks(db)) === filled && { filled };
  });
  return filled;
}

/** Records from now on the number of blocks in each request for logs that a server receives. */
export function recordRanges(server: ChainServer): readonly number[] {
  const rangeBlocks: number[] = [];
  server.view.cap = ({ blocks }) => void rangeBlocks.push(blocks);
  return rangeBlocks;
}

/** Waits for a backfill to succeed, and expects it to request the logs of more than `blocks` blocks at once before it ends. */
export async function expectWideRequestsAtEnd(backfill: Program, server: ChainServer, blocks: number): Promise<void> {
  const rangeBlocks = recordRanges(server);
  expect(await backfill.exited).toBe(0);
  expect(Math.max(...rangeBlocks)).toBeGreaterThan(blocks);
}
