import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { Daemon } from '../../kit/daemon.ts';
import { announceAll, busyBlocks } from '../../kit/music.ts';
import { insertArtist } from '../../kit/platform-rows.ts';
import { startPostgres } from '../../kit/postgres-server.ts';
import { TcpProxy } from '../../kit/proxy.ts';
import { serve } from '../../kit/scene.ts';
import { atHead, expectSettled, liveChainOf } from '../../kit/settled.ts';
import { slowDown } from '../../kit/slow-down.ts';
import { until } from '../../kit/until.ts';
import { filledBlocks, longChain } from '../../queue/scene.ts';

const BLOCKS = 2_000;
const OUTAGE_MS = 10_000;
const STALL_MS = 5_000;
const BLOCK_INTERVAL_MS = 500;
/** The pauses between attempts are 10 s at most. */
const RESUME_MAX_MS = 20_000;

/** Starts a PostgreSQL server that the test may pause, behind a proxy that the daemon connects through. */
async function startOwnPostgres() {
  const postgres = await startPostgres({ settings: { fsync: 'off' } });
  const db = new pg.Pool({ connectionString: postgres.url, max: 4 });
  db.on('error', () => undefined);
  onTestFinished(async () => {
    await db.end();
    await postgres.stop();
  });
  const proxy = await TcpProxy.before(postgres.url);
  return { postgres, db, proxy, url: proxy.url(postgres.url) };
}

test('the daemon survives PostgreSQL pausing while history is filled and at the head, and a connection that stalls', async () => {
  const { postgres, db, proxy, url } = await startOwnPostgres();
  const chain = longChain(BLOCKS);
  const server = await serve(chain);
  const settled = () => expectSettled(db, liveChainOf(chain));
  const blocks = busyBlocks(19);
  const daemon = await Daemon.start({ DATABASE_URL: url, [`RPC_URL_${chain.chainId}`]: server.url });
  const status = async () => (await daemon.ready()).status;
  const growChain = async (ms: number) => {
    for (const end = performance.now() + ms; performance.now() < end; await wait(BLOCK_INTERVAL_MS)) {
      chain.append(...blocks(1));
    }
  };
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));

  /** Stops PostgreSQL for 10 s, and waits until the daemon is ready and at the head again. */
  const outage = async (heal = () => {}) => {
    await postgres.pause();
    await until('/ready to turn red', async () => (await status()) === 503);
    await growChain(OUTAGE_MS);
    expect(daemon.isRunning).toBe(true);
    heal();
    await postgres.resume();
    const resumedAt = performance.now();
    await until('/ready to turn green', async () => (await status()) === 200);
    await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
    expect(performance.now() - resumedAt).toBeLessThan(RESUME_MAX_MS);
  };

  const heal = slowDown(server, 200);
  await announceAll(db, await insertArtist(db), chain);
  await until('history to be filled in part', async () => {
    const filled = await filledBlocks(db);
    return filled > 0 && filled < BLOCKS / 2;
  });
  await outage(heal);
  await settled();
  expect(daemon.logLines('gave up filling a range of blocks')).toEqual([]);

  await outage();
  await settled();

  proxy.stall();
  await until('/ready to turn red', async () => (await status()) === 503);
  await growChain(STALL_MS);
  proxy.heal();
  await until('/ready to turn green', async () => (await status()) === 200);
  await settled();
  expect(daemon.isRunning).toBe(true);
});
