import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { expect } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { digest } from '../../indexer/verify/digest.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { database, serve } from '../kit/follow.ts';
import { type Artist, announceAll, busyBlock, registerArtist } from '../kit/music.ts';
import { type Environment, Program } from '../kit/program.ts';
import { seededRandom } from '../kit/random.ts';
import type { QueuePlace } from '../kit/redis.ts';
import { expectSettled, truthOf } from '../kit/settled.ts';
import { until } from '../kit/until.ts';

/** One busy block among so many: a chain is long, so that it makes many jobs, and quick to build. */
const BUSY_EVERY_BLOCKS = 6;
const FINALITY_BLOCKS = 40;
const SLOW_BLOCKS = 50;

/** A long chain whose last blocks are not final. */
export function longChain(blocks: number, seed = 1): Chain {
  const chain = new Chain({ chainId: 31_337 });
  const random = seededRandom(seed);
  chain.append(...Array.from({ length: blocks }, (_, at) => (at % BUSY_EVERY_BLOCKS === 0 ? busyBlock(random) : {})));
  chain.finalized = blocks - FINALITY_BLOCKS;
  return chain;
}

export type Scene = {
  readonly chain: Chain;
  readonly server: ChainServer;
  readonly db: pg.Pool;
  readonly url: string;
  readonly artist: Artist;
  readonly env: Environment;
  /** Starts a command of the program over this database. */
  run(...args: readonly string[]): Program;
  /** Has every table equal the chain, once nothing is missing. */
  settled(): Promise<void>;
};

/** A platform announced in a database of its own, and nothing that runs. */
export async function scene(
  place: QueuePlace,
  chain: Chain = longChain(4_000),
  by: (databaseUrl: string) => string = (url) => url,
): Promise<Scene> {
  const server = await serve(chain);
  const { url, db } = await database();
  const artist = await registerArtist(db);
  await announceAll(db, artist, chain);
  const env = { DATABASE_URL: by(url), QUEUE_URL: place.url, [`RPC_URL_${chain.chainId}`]: server.url };
  return {
    ...{ chain, server, db, url, artist, env },
    run: (...args) => new Program(args, env),
    settled: () => expectSettled(db, truthOf(chain)),
  };
}

/** The digest of every table of a database. */
export async function digestOf(url: string): Promise<unknown> {
  const open = openDatabase({ url, maxConnections: 1 });
  try {
    return await digest(open);
  } finally {
    await open.close();
  }
}

/** Blocks that the contract least covered has been filled with. */
export async function filledBlocks(db: pg.Pool): Promise<number> {
  const { rows } = await db.query(`
    select min((select coalesce(sum(upper(range) - lower(range)), 0) from unnest(covered) as range)) as filled
    from indexer.contracts`);
  return Number(rows[0]?.filled ?? 0);
}

/**
 * Has a node take `ms` for the logs of each 50 blocks, so that history takes many requests and a test comes in between on a slow
 * machine too. Returns the function that ends it.
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

/** Waits until nothing has been filled for so long, and returns how many blocks have. */
export async function filledInTheEnd(db: pg.Pool, quietMs: number): Promise<number> {
  const { filled } = await until('filling to end', async () => {
    const filled = await filledBlocks(db);
    await wait(quietMs);
    return (await filledBlocks(db)) === filled && { filled };
  });
  return filled;
}

/** Has a backfill end well, and ask from now on for the logs of more than so many blocks at once. */
export async function expectWideEnd(backfill: Program, server: ChainServer, blocks: number): Promise<void> {
  const widths: number[] = [];
  server.view.cap = (asked) => void widths.push(asked.blocks);
  expect(await backfill.exited).toBe(0);
  expect(Math.max(...widths)).toBeGreaterThan(blocks);
}
