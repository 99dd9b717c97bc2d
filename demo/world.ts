import pg from 'pg';
import { sleep } from '../indexer/kernel/sleep.ts';
import { type Anvil, startAnvil } from '../test/kit/anvil-node.ts';
import { deployPlatform, subjectsOf } from '../test/kit/deploy.ts';
import { headOf, type Subject } from '../test/kit/oracle/check-database.ts';
import { startPostgres } from '../test/kit/postgres-server.ts';
import { registerPlatform } from '../test/kit/register-platform.ts';
import { createTraffic, type Traffic } from '../test/kit/traffic.ts';
import { ACTIONS } from '../test/kit/traffic-actions.ts';
import { type DaemonProcess, startDaemon } from './daemon-process.ts';
import { deployEpochDividends, epochDividendActions, registerEpochDividends } from './epoch-dividends.ts';

/** The servers, contracts and traffic of a running demo. */
export type World = {
  readonly databaseUrl: string;
  /** The address of the daemon's status page. */
  readonly pageUrl: string;
  readonly db: pg.Pool;
  readonly anvil: Anvil;
  /** The followed contracts. */
  readonly subjects: readonly Subject[];
  readonly traffic: Traffic;
  readonly daemon: DaemonProcess;
};

/** How to start a demo. */
export type WorldOptions = {
  readonly seed: number;
  /** Path of the executable whose `start` command is the daemon. */
  readonly program: string;
  /** Called with a sentence after each step of the start. */
  readonly onStep: (text: string) => void;
};

/** Steps of traffic before the daemon starts, so that there is history to fill. */
const PAST_STEPS = 60;
/**
 * For how many blocks the node keeps states in memory. By default Anvil (1.7.1) moves old states to disk after some 900 blocks,
 * and a reorg that needs one of them leaves a chain without any contract.
 */
const STATES_KEPT_BLOCKS = 128;
/** Anvil's finalized block is two epochs below the head. No reorg is deeper, and even a short demo can verify most of its blocks. */
const SLOTS_IN_AN_EPOCH = 10;
const FIRST_HEAD_TIMEOUT_MS = 60_000;
const CHECK_INTERVAL_MS = 100;

/**
 * Starts PostgreSQL, a chain with the platform's contracts and some history, and the daemon. Then inserts the contracts into the
 * database as the platform would.
 *
 * @param releases - receives, for each thing that is started, the function that stops it, also if a later step fails
 * @throws the reason of the signal if it aborts meanwhile
 */
export async function createWorld(
  { seed, program, onStep }: WorldOptions,
  releases: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<World> {
  const server = await startPostgres({ disposable: true });
  releases.defer(() => server.stop());
  const db = new pg.Pool({ connectionString: server.url, max: 2 });
  db.on('error', () => undefined); // If an idle connection is lost, the next query throws.
  releases.defer(() => db.end());
  const { rows } = await db.query('show server_version');
  onStep(`PostgreSQL ${rows[0].server_version} is running`);
  signal.throwIfAborted();
  const anvil = await startAnvil({
    slotsInAnEpoch: SLOTS_IN_AN_EPOCH,
    args: ['--prune-history', String(STATES_KEPT_BLOCKS)],
  });
  releases.defer(() => anvil.stop());
  onStep(`Anvil is running: chain ${anvil.chainId}`);
  const platform = await deployPlatform(anvil);
  const epochDividends = await deployEpochDividends(anvil, platform);
  onStep('contracts are deployed: 3 ERC-721C masters, 2 dividend contracts, 2 ERC-20, a Uniswap V2 pair');
  signal.throwIfAborted();
  const traffic = await createTraffic(anvil, platform, seed, [...ACTIONS, ...epochDividendActions(epochDividends)]);
  await traffic.run(PAST_STEPS);
  onStep(`${await anvil.client.getBlockNumber()} blocks of history are made`);
  signal.throwIfAborted();
  const daemon = await startDaemon(program, {
    databaseUrl: server.url,
    chains: { [anvil.chainId]: { rpcUrls: [anvil.wsUrl] } },
    http: { port: 0 },
    logLevel: 'info',
  });
  releases.defer(() => daemon.stop());
  await waitForFirstHead(db, anvil.chainId, daemon, signal);
  const pageUrl = await daemon.pageUrl(AbortSignal.any([signal, daemon.ended]));
  onStep(`the indexer follows the chain (process ${daemon.pid})`);
  await registerPlatform(db, platform);
  await registerEpochDividends(db, server.url, platform, epochDividends);
  const subjects: Subject[] = [...subjectsOf(platform), { kind: 'dividend', address: epochDividends.address }];
  onStep(`the platform has inserted ${subjects.length} contracts; dividends are paid by the rules token and snapshot`);
  return { databaseUrl: server.url, pageUrl, db, anvil, subjects, traffic, daemon };
}

/** Waits until the daemon has migrated the database and follows the chain. */
async function waitForFirstHead(
  db: pg.Pool,
  chainId: number,
  daemon: DaemonProcess,
  signal: AbortSignal,
): Promise<void> {
  const failing = AbortSignal.any([signal, daemon.ended]);
  const deadline = Date.now() + FIRST_HEAD_TIMEOUT_MS;
  for (;;) {
    failing.throwIfAborted();
    // The table does not exist before the migration.
    if ((await headOf(db, chainId).catch(() => undefined)) !== undefined) return;
    if (Date.now() > deadline) throw await daemon.failure(`follows no block after ${FIRST_HEAD_TIMEOUT_MS} ms`);
    await sleep(CHECK_INTERVAL_MS, failing);
  }
}
