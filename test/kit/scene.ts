import pg from 'pg';
import { onTestFinished } from 'vitest';
import { type Anvil, type AnvilOptions, startAnvil } from './anvil-node.ts';
import { Chain } from './chain.ts';
import { ChainServer } from './chain-server.ts';
import { type ChainOptions, chainSettings, Daemon } from './daemon.ts';
import { deployPlatform, type Platform, subjectsOf } from './deploy.ts';
import { announceAll, busyBlocks } from './music.ts';
import { type Artist, insertArtist } from './platform-rows.ts';
import { createDatabase } from './postgres.ts';
import { type Environment, Program } from './program.ts';
import type { TcpProxy } from './proxy.ts';
import { registerPlatform } from './register-platform.ts';
import { expectSettled, liveChainOf } from './settled.ts';
import { createTraffic, type Traffic } from './traffic.ts';

const SEED = 20_260_102;
const HISTORY_BLOCKS = 24;
const FINALIZED_BLOCKS = 8;

/** Creates a migrated database for one test, and a pool of connections to it. Closes the pool and drops the database when the test ends. */
export async function database(): Promise<{ readonly url: string; readonly db: pg.Pool }> {
  const { url, drop } = await createDatabase();
  const db = new pg.Pool({ connectionString: url, max: 4 });
  // Some tests stop the database server.
  db.on('error', () => undefined);
  onTestFinished(async () => {
    await db.end();
    await drop();
  });
  return { url, db };
}

/** Serves a chain in memory until the test ends. */
export async function serve(chain: Chain): Promise<ChainServer> {
  const server = await ChainServer.start(chain);
  onTestFinished(() => server.close());
  return server;
}

/** Creates a chain in memory with `blocks` busy blocks, of which the first `finalized` are final. */
export function busyChain(
  blocks: number = HISTORY_BLOCKS,
  finalized: number = FINALIZED_BLOCKS,
  chainId = 31_337,
): Chain {
  const chain = new Chain({ chainId });
  chain.append(...busyBlocks(SEED + chainId)(blocks));
  chain.finalized = finalized;
  return chain;
}

/**
 * A chain in memory with a server, and a database in which the platform's contracts on that chain are announced. No program runs
 * yet.
 */
export type Scene = {
  readonly chain: Chain;
  readonly server: ChainServer;
  readonly db: pg.Pool;
  /** Connects to the database directly, even if programs connect through a proxy. */
  readonly url: string;
  readonly artist: Artist;
  /** The environment of a program that follows the chain. */
  readonly env: Environment;
  /** Starts a command of the program in this environment. */
  run(...args: readonly string[]): Program;
  /** Waits until the database is at the chain's head without gaps, and expects every table to equal what the chain implies. */
  settled(): Promise<void>;
};

/** How a scene is set up. */
export type SceneOptions = {
  readonly chain?: Chain;
  /** Servers of other chains, on which the platform is announced and which programs follow too. */
  readonly otherChains?: readonly ChainServer[];
  /** Endpoints of the scene's chain that programs use after the scene's own server. */
  readonly moreEndpoints?: readonly ChainServer[];
  /** If true, programs use WebSocket endpoints of the scene's chain, which announce heads. */
  readonly subscribe?: boolean;
  /** If false, the platform has no contracts yet. */
  readonly announce?: boolean;
  /** Programs connect to the database through this proxy or pooler. */
  readonly databaseProxy?: Pick<TcpProxy, 'url'> | undefined;
  /** If true, programs also know the URL of the database itself. */
  readonly direct?: boolean | undefined;
  /** Where the queue is. Default: in the database. */
  readonly queueUrl?: string | undefined;
  /** Settings of the chains. If given, heads are polled ten times a second by default. */
  readonly settings?: ChainOptions;
};

/** Sets up a scene. Stops and deletes everything in it when the test ends. */
export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const { chain = busyChain(), otherChains = [], moreEndpoints = [], subscribe = false, announce = true } = options;
  const server = await serve(chain);
  const { url, db } = await database();
  const artist = await insertArtist(db);
  if (announce) for (const { chain } of [server, ...otherChains]) await announceAll(db, artist, chain);
  const endpoints = [server, ...moreEndpoints].map((endpoint) => (subscribe ? endpoint.wsUrl : endpoint.url));
  const env = {
    DATABASE_URL: options.databaseProxy?.url(url) ?? url,
    DATABASE_DIRECT_URL: options.direct === true ? url : undefined,
    QUEUE_URL: options.queueUrl,
    [`RPC_URL_${chain.chainId}`]: endpoints.join(','),
    ...Object.fromEntries(otherChains.map((other) => [`RPC_URL_${other.chain.chainId}`, other.url])),
  };
  const settings = options.settings && chainSettings(env, options.settings);
  return {
    ...{ chain, server, db, url, artist, env },
    run: (...args) => new Program(args, env, { settings }),
    settled: () => expectSettled(db, liveChainOf(chain)),
  };
}

/** A scene with the real daemon. */
export type FollowedScene = Scene & {
  readonly daemon: Daemon;
  /** Starts another daemon, configured like the first. */
  startDaemon(): Promise<Daemon>;
};

/** Sets up a scene and starts the daemon. It serves HTTP, but has not caught up with the chain yet. */
export async function follow({ settings = {}, ...options }: SceneOptions = {}): Promise<FollowedScene> {
  const scene = await createScene({ ...options, settings });
  const startDaemon = () => Daemon.start(scene.env, settings);
  return { ...scene, startDaemon, daemon: await startDaemon() };
}

/** An Anvil chain with the real contracts of a platform. */
export type AnvilScene = {
  readonly anvil: Anvil;
  readonly platform: Platform;
  readonly traffic: Traffic;
  /** Waits until a database is at the chain's head without gaps, and expects every table to equal what the chain implies. */
  settled(db: pg.Pool): Promise<void>;
};

/** Starts Anvil, deploys the real contracts of a platform on it and creates traffic. No program follows the chain yet. */
export async function deployOnAnvil(options: AnvilOptions = {}, seed: number = SEED): Promise<AnvilScene> {
  const anvil = await startAnvil({ timestamp: 1_700_000_000, timestampInterval: 2, ...options });
  onTestFinished(() => anvil.stop());
  const platform = await deployPlatform(anvil);
  const traffic = await createTraffic(anvil, platform, seed);
  return { anvil, platform, traffic, settled: (db) => expectSettled(db, anvil, subjectsOf(platform)) };
}

/** Creates a database in which the contracts of a platform on Anvil are announced. */
export async function announcedDatabase(platform: Platform): Promise<{ readonly url: string; readonly db: pg.Pool }> {
  const created = await database();
  await registerPlatform(created.db, platform);
  return created;
}
