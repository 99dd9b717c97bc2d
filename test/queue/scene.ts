import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { expect } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { digest } from '../../indexer/verify/digest.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { createScene, type Scene } from '../kit/follow.ts';
import { busyBlock } from '../kit/music.ts';
import type { Program } from '../kit/program.ts';
import { seededRandom } from '../kit/random.ts';
import type { QueuePlace } from '../kit/redis.ts';
import { until } from '../kit/until.ts';

/** Few blocks are busy, so that a chain is long enough for many jobs and still quick to build. */
const BUSY_EVERY_BLOCKS = 6;
const FINALITY_BLOCKS = 40;
const SLOW_BLOCKS = 50;

/** Creates a long chain whose last blocks are not final. */
export function longChain(blocks: number, seed = 1): Chain {
  const chain = new Chain({ chainId: 31_337 });
  const random = seededRandom(seed);
  chain.append(...Array.from({ length: blocks }, (_, at) => (at % BUSY_EVERY_BLOCKS === 0 ? busyBlock(random) : {})));
  chain.finalized = blocks - FINALITY_BLOCKS;
  return chain;
}

/** The queue in the database, where it does not matter to a test which queue is used. */
export const IN_POSTGRES: QueuePlace = { url: undefined, redis: undefined };

/** Sets up a scene with a long chain, and the queue at a place. */
export function scene(
  place: QueuePlace,
  chain: Chain = longChain(4_000),
  by?: (databaseUrl: string) => string,
): Promise<Scene> {
  return createScene({ chain, by, queueUrl: place.url });
}

/** Returns the digest of every table of a database. */
export async function digestOf(url: string): Promise<unknown> {
  const open = openDatabase({ url, maxConnections: 1 });
  try {
    return await digest(open);
  } finally {
    await open.close();
  }
}

/** Returns the number of blocks that are filled for the contract with the fewest. */
export async function filledBlocks(db: pg.Pool): Promise<number> {
  const { rows } = await db.query(`
    select min((select coalesce(sum(upper(range) - lower(range)), 0) from unnest(covered) as range)) as filled
    from indexer.contracts`);
  return Number(rows[0]?.filled ?? 0);
}

/**
 * Makes a node take `ms` for the logs of each 50 blocks. Filling then takes many requests, so that a test can act meanwhile on a
 * slow machine too. Returns the function that ends it.
 */
export function slowDown(server: ChainServer, ms: number): () => void {
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms } });
  server.view.cap = ({ blocks }) => {
    if (blocks > SLOW_BLOCKS) throw new RpcFault(-32000, `block range too large, max is ${SLOW_BLOCKS} blocks`);
  };
  return () => {
    heal();
    server.view.cap = undefined;
  };
}

/** Waits until nothing has been filled for `quietMs`, and returns how many blocks are filled. */
export async function filledInTheEnd(db: pg.Pool, quietMs: number): Promise<number> {
  const { filled } = await until('filling to end', async () => {
    const filled = await filledBlocks(db);
    await wait(quietMs);
    return (await filledBlocks(db)) === filled && { filled };
  });
  return filled;
}

/** Waits for a backfill to succeed, and expects it to ask for the logs of more than `blocks` at once from now on. */
export async function expectWideEnd(backfill: Program, server: ChainServer, blocks: number): Promise<void> {
  const widths: number[] = [];
  server.view.cap = (asked) => void widths.push(asked.blocks);
  expect(await backfill.exited).toBe(0);
  expect(Math.max(...widths)).toBeGreaterThan(blocks);
}
