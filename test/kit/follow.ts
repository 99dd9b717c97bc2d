import pg from 'pg';
import { onTestFinished } from 'vitest';
import type { ChainSettings } from '../../indexer/config/define.ts';
import { type Anvil, type AnvilOptions, startAnvil } from './anvil-node.ts';
import { Chain } from './chain.ts';
import { ChainServer } from './chain-server.ts';
import { Daemon, type Following } from './daemon.ts';
import { deployPlatform, type Platform, subjectsOf } from './deploy.ts';
import { type Artist, announceAll, busyBlocks, registerArtist } from './music.ts';
import { createDatabase } from './postgres.ts';
import { type Environment, Program } from './program.ts';
import { registerPlatform } from './register-platform.ts';
import { expectSettled, truthOf } from './settled.ts';
import { createTraffic, type Traffic } from './traffic.ts';

const SEED = 20_260_102;
const HISTORY_BLOCKS = 24;
const FINALIZED = 8;

/** Creates a migrated database of the test's own, with connections to it. Both end with the test. */
export async function database(): Promise<{ readonly url: string; readonly db: pg.Pool }> {
  const { url, drop } = await createDatabase();
  const db = new pg.Pool({ connectionString: url, max: 4 });
  // Some tests stop its server.
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

/** Creates a chain in memory with some busy blocks, the first of which are final. */
export function busyChain(blocks: number = HISTORY_BLOCKS, finalized: number = FINALIZED, chainId = 31_337): Chain {
  const chain = new Chain({ chainId });
  chain.append(...busyBlocks(SEED + chainId)(blocks));
  chain.finalized = finalized;
  return chain;
}

/** A chain in memory with a server, and a database in which a made-up platform is announced. Nothing runs yet. */
export type Scene = {
  readonly chain: Chain;
  readonly server: ChainServer;
  readonly db: pg.Pool;
  /** The database itself, not through a proxy. */
  readonly url: string;
  readonly artist: Artist;
  /** The environment of a program that follows the chain. */
  readonly env: Environment;
  /** Starts a command of the program over this database. */
  run(...args: readonly string[]): Program;
  /** Waits until nothing is missing, and expects every table to equal the chain. */
  settled(): Promise<void>;
};

/** How a scene is set up. */
export type SceneOptions = {
  readonly chain?: Chain;
  /** The servers of other chains on which the platform is announced too. */
  readonly beside?: readonly ChainServer[];
  /** False: the platform has no contracts yet. */
  readonly announce?: boolean;
  /** Returns the URL by which programs reach the database. */
  readonly by?: ((databaseUrl: string) => string) | undefined;
  /** Where the queue is; undefined: in the database. */
  readonly queueUrl?: string | undefined;
};

/** Sets up a scene. Everything in it ends with the test. */
export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const { chain = busyChain(), beside = [], announce = true, by = (url) => url, queueUrl } = options;
  const server = await serve(chain);
  const { url, db } = await database();
  const artist = await registerArtist(db);
  if (announce) for (const one of [server, ...beside]) await announceAll(db, artist, one.chain);
  const env = { DATABASE_URL: by(url), QUEUE_URL: queueUrl, [`RPC_URL_${chain.chainId}`]: server.url };
  return {
    ...{ chain, server, db, url, artist, env },
    run: (...args) => new Program(args, env),
    settled: () => expectSettled(db, truthOf(chain)),
  };
}

/** A scene with the real daemon. */
export type FollowedScene = Scene & { readonly daemon: Daemon; readonly following: Following };

/** How a scene is set up, and how the daemon follows it. */
export type FollowOptions = Omit<SceneOptions, 'queueUrl'> & {
  /** More endpoints of the chain, after the scene's own server. */
  readonly others?: readonly ChainServer[];
  readonly settings?: Omit<ChainSettings, 'rpcUrls'>;
  /** Over WebSocket, where heads are announced. */
  readonly subscribe?: boolean;
};

/** Sets up a scene and starts the daemon, which has not caught up yet. */
export async function follow(options: FollowOptions = {}): Promise<FollowedScene> {
  const { beside = [], others = [], settings, subscribe = false } = options;
  const scene = await createScene(options);
  const rpcUrls = {
    [scene.chain.chainId]: [scene.server, ...others].map((endpoint) => (subscribe ? endpoint.wsUrl : endpoint.url)),
    ...Object.fromEntries(beside.map((endpoint) => [endpoint.chain.chainId, endpoint.url])),
  };
  const databaseUrl = scene.env.DATABASE_URL ?? scene.url;
  const following = { databaseUrl, rpcUrls, ...(settings && { settings }) };
  return { ...scene, following, daemon: await Daemon.start(following) };
}

/** A chain of Anvil with the real contracts of a platform. */
export type AnvilScene = {
  readonly anvil: Anvil;
  readonly platform: Platform;
  readonly traffic: Traffic;
  settled(db: pg.Pool): Promise<void>;
};

/** Starts Anvil and deploys the real contracts of a platform on it, with traffic. Nothing follows it yet. */
export async function deployOnAnvil(options: AnvilOptions = {}, seed: number = SEED): Promise<AnvilScene> {
  const anvil = await startAnvil({ timestamp: 1_700_000_000, timestampInterval: 2, ...options });
  onTestFinished(() => anvil.stop());
  const platform = await deployPlatform(anvil);
  const traffic = await createTraffic(anvil, platform, seed);
  return { anvil, platform, traffic, settled: (db) => expectSettled(db, anvil, subjectsOf(platform)) };
}

/** Creates a database in which a platform on Anvil is announced. */
export async function announcedDatabase(platform: Platform): Promise<{ readonly url: string; readonly db: pg.Pool }> {
  const made = await database();
  await registerPlatform(made.db, platform);
  return made;
}
