import pg from 'pg';
import type { OracleContract } from '../test/kit/oracle/facts.ts';
import { measureFill } from './backfill.ts';
import { type Chain, withChain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { untilHead } from './following.ts';
import { startIndexing } from './indexing-process.ts';
import type { Server } from './server.ts';
import { environment, quietOptions, type World, type WorldOptions } from './world.ts';

/** The cost of following a number of contracts, most of which emit no events. */
export type ContractsResult = {
  readonly contracts: number;
  readonly eventsPerSecond: number;
  /** CPU time of the process and of PostgreSQL per event of a backfill. */
  readonly microsecondsPerEvent: number;
  /** CPU time of the process and of PostgreSQL per block at the head without logs of followed contracts. */
  readonly millisecondsPerBlock: number;
};

/** Where contracts are registered, and how many. */
export type ContractsPlan = {
  readonly server: Server;
  readonly world: World;
  /** The name of the database. */
  readonly database: string;
  readonly count: number;
};

const WARM_UP_BLOCKS = 50;
const QUIET_BLOCKS = 500;

/** Measures a backfill of the same events, and quiet blocks at the head, for a number of contracts. */
export async function measureContracts(
  server: Server,
  world: World,
  options: WorldOptions,
  count: number,
): Promise<ContractsResult> {
  const plan = { server, world, database: 'contracts', count };
  const fill = await withContracts(plan, options, ({ url, chain }) => measureFill(server, chain, options, { url }));
  const quiet = quietOptions(WARM_UP_BLOCKS + QUIET_BLOCKS);
  const millisecondsPerBlock = await withContracts(plan, quiet, (scene) => measureQuietBlocks(server, scene));
  return {
    contracts: count,
    eventsPerSecond: fill.eventsPerSecond,
    microsecondsPerEvent: (1_000 * (fill.processCpuMs + fill.postgresCpuMs)) / options.events,
    millisecondsPerBlock,
  };
}

/** A database that has contracts registered, and a chain that serves them. */
type Scene = { readonly url: string; readonly chain: Chain; readonly contracts: readonly OracleContract[] };

/** Runs some work with a database that has `count` contracts registered and a chain that serves them, and removes both afterwards. */
export async function withContracts<T>(
  { server, world, database, count }: ContractsPlan,
  options: WorldOptions,
  work: (scene: Scene) => Promise<T>,
): Promise<T> {
  const url = await server.createDatabase(database);
  try {
    const contracts = await server.addArtistTokens(url, world.silentTokens(count - world.contracts().length));
    return await withChain(options, contracts, (chain) => work({ url, chain, contracts }));
  } finally {
    await server.dropDatabase(database);
  }
}

/** Announces blocks that hold only logs of other contracts, one after the other. Returns the CPU time per block. */
async function measureQuietBlocks(server: Server, { url, chain }: Scene): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await chain.moveTo(0, 0);
  const daemon = startIndexing(['start'], { ...environment(url, chain.wsUrl), HTTP_PORT: '0' });
  try {
    const follow = async (from: number, to: number) => {
      for (let block = from; block <= to; block++) {
        await chain.moveTo(block, 0);
        await untilHead(client, block, 1);
      }
    };
    const cpuMs = async () => (await daemon.cpuMs()) + (await server.cpuMs());
    await untilHead(client, 0);
    await follow(1, WARM_UP_BLOCKS);
    const before = await cpuMs();
    await follow(WARM_UP_BLOCKS + 1, WARM_UP_BLOCKS + QUIET_BLOCKS);
    const used = (await cpuMs()) - before;
    await checkDatabase(url, await chain.expectedAfter(WARM_UP_BLOCKS + QUIET_BLOCKS));
    return used / QUIET_BLOCKS;
  } finally {
    await daemon.stop();
    await client.end();
  }
}
