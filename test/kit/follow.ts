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
import { registerPlatform } from './register-platform.ts';
import { expectSettled, truthOf } from './settled.ts';
import { createTraffic, type Traffic } from './traffic.ts';

const SEED = 20_260_102;
const HISTORY_BLOCKS = 24;
const FINALIZED = 8;

/** A migrated database of the test's own, with connections to it; both go when the test is finished. */
export async function database(): Promise<{ readonly url: string; readonly db: pg.Pool }> {
  const { url, drop } = await createDatabase();
  const db = new pg.Pool({ connectionString: url, max: 4 });
  // Its server may be stopped under it.
  db.on('error', () => undefined);
  onTestFinished(async () => {
    await db.end();
    await drop();
  });
  return { url, db };
}

/** A server for a chain in memory, closed when the test is finished. */
export async function serve(chain: Chain): Promise<ChainServer> {
  const server = await ChainServer.start(chain);
  onTestFinished(() => server.close());
  return server;
}

/** A chain in memory with some busy blocks, of which the first few are final. */
export function busyChain(blocks: number = HISTORY_BLOCKS, finalized: number = FINALIZED, chainId = 31_337): Chain {
  const chain = new Chain({ chainId });
  chain.append(...busyBlocks(SEED + chainId)(blocks));
  chain.finalized = finalized;
  return chain;
}

export type Scene = {
  readonly chain: Chain;
  readonly server: ChainServer;
  readonly db: pg.Pool;
  /** To the database itself, past every proxy. */
  readonly url: string;
  readonly artist: Artist;
  readonly daemon: Daemon;
  readonly following: Following;
  /** Waits for the chain's head and has every table equal the chain. */
  settled(): Promise<void>;
};

export type SceneOptions = {
  readonly chain?: Chain;
  /** Chains that are followed beside it, each by a server. */
  readonly beside?: readonly ChainServer[];
  /** More endpoints of the chain, after the scene's own server. */
  readonly others?: readonly ChainServer[];
  readonly settings?: Omit<ChainSettings, 'rpcUrls'>;
  /** By which URL the daemon comes to the database. */
  readonly by?: (databaseUrl: string) => string;
  /** False: the platform has no contracts yet. */
  readonly announce?: boolean;
  /** Over WebSocket, where heads are announced. */
  readonly subscribe?: boolean;
};

/** A chain in memory, the made-up platform announced in a database, and the real daemon following, not yet waited for. */
export async function follow(options: SceneOptions = {}): Promise<Scene> {
  const { chain = busyChain(), beside = [], others = [], settings, by, announce = true, subscribe = false } = options;
  const server = await serve(chain);
  const { url, db } = await database();
  const artist = await registerArtist(db);
  if (announce) for (const one of [server, ...beside]) await announceAll(db, artist, one.chain);
  const rpcUrls = {
    [chain.chainId]: [server, ...others].map((endpoint) => (subscribe ? endpoint.wsUrl : endpoint.url)),
    ...Object.fromEntries(beside.map((endpoint) => [endpoint.chain.chainId, endpoint.url])),
  };
  const following = { databaseUrl: by?.(url) ?? url, rpcUrls, ...(settings && { settings }) };
  const daemon = await Daemon.start(following);
  const settled = () => expectSettled(db, truthOf(chain));
  return { chain, server, db, url, artist, daemon, following, settled };
}

export type AnvilScene = {
  readonly anvil: Anvil;
  readonly platform: Platform;
  readonly traffic: Traffic;
  settled(db: pg.Pool): Promise<void>;
};

/** Anvil with the real contracts of a platform and traffic on them; nothing follows it yet. */
export async function stage(options: AnvilOptions = {}, seed: number = SEED): Promise<AnvilScene> {
  const anvil = await startAnvil({ timestamp: 1_700_000_000, timestampInterval: 2, ...options });
  onTestFinished(() => anvil.stop());
  const platform = await deployPlatform(anvil);
  const traffic = await createTraffic(anvil, platform, seed);
  return { anvil, platform, traffic, settled: (db) => expectSettled(db, anvil, subjectsOf(platform)) };
}

/** A database in which a platform on Anvil is announced. */
export async function announced(platform: Platform): Promise<{ readonly url: string; readonly db: pg.Pool }> {
  const made = await database();
  await registerPlatform(made.db, platform);
  return made;
}
