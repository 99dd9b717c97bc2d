import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Anvil, startAnvil } from '../kit/anvil-node.ts';
import { deployPlatform, type Platform, subjectsOf } from '../kit/deploy.ts';
import type { Subject } from '../kit/oracle/check-database.ts';
import { type PostgresServer, startPostgres } from '../kit/postgres-server.ts';
import { type Random, seededRandom } from '../kit/random.ts';
import { createTraffic, type Traffic } from '../kit/traffic.ts';
import { FaultyNode } from './faulty-node.ts';
import { SupervisedProcess } from './processes.ts';

/** A chain with traffic, two faulty nodes in front of it, a database, and the processes that mirror the chain into it. */
export type World = {
  readonly anvil: Anvil;
  readonly platform: Platform;
  readonly subjects: readonly Subject[];
  readonly traffic: Traffic;
  readonly nodes: readonly [FaultyNode, FaultyNode];
  readonly postgres: PostgresServer;
  readonly db: pg.Pool;
  readonly env: Readonly<Record<string, string>>;
  /** Holds the logs of the processes. */
  readonly directory: string;
};

/** Number of actions before the processes start, so that there is history to fill. */
const PAST_ACTIONS = 200;
/** Number of blocks whose states Anvil keeps in memory. A reorg that needs an older state leaves a chain without any contract. */
const STATES_KEPT_BLOCKS = 128;
/** The finalized block is two epochs behind the head: deeper than every reorg. */
const SLOTS_IN_AN_EPOCH = 12;

/** Starts everything but the processes. What is started is released with `releases`. */
export async function createWorld(seed: number, releases: AsyncDisposableStack): Promise<World> {
  const random = seededRandom(seed);
  const directory = await mkdtemp(join(tmpdir(), 'indexer-soak-'));
  const postgres = await startPostgres({ disposable: true });
  releases.defer(() => postgres.stop());
  const db = new pg.Pool({ connectionString: postgres.url, max: 2 });
  db.on('error', () => undefined); // the server stops now and then
  releases.defer(() => db.end());
  const anvil = await startAnvil({
    slotsInAnEpoch: SLOTS_IN_AN_EPOCH,
    args: ['--prune-history', String(STATES_KEPT_BLOCKS)],
  });
  releases.defer(() => anvil.stop());
  const platform = await deployPlatform(anvil);
  const traffic = await createTraffic(anvil, platform, seed);
  await traffic.run(PAST_ACTIONS);
  const nodes = [await FaultyNode.before(anvil.url, random), await FaultyNode.before(anvil.url, random)] as const;
  for (const node of nodes) releases.defer(() => node.close());
  const env = {
    DATABASE_URL: postgres.url,
    [`RPC_URL_${anvil.chainId}`]: nodes.map(({ url }) => url).join(','),
    LOG_LEVEL: 'info',
  };
  return { anvil, platform, subjects: subjectsOf(platform), traffic, nodes, postgres, db, env, directory };
}

/** The processes of a deployment: a daemon that leads, one that stands by, and a worker. */
export type Processes = readonly [SupervisedProcess, SupervisedProcess, SupervisedProcess];

/** Starts the processes, after the schema was migrated. */
export function startProcesses({ env, directory }: World, program: string): Processes {
  const start = (name: string, ...args: string[]) => new SupervisedProcess(name, [program, ...args], env, directory);
  return [start('daemon', 'start'), start('second daemon', 'start'), start('worker', 'worker')];
}

/** Creates the random numbers of troubles, which do not depend on those of the traffic. */
export function troubleRandom(seed: number): Random {
  return seededRandom(~seed);
}
