import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { busyBlocks } from '../kit/music.ts';
import { busyChain, follow, serve } from '../kit/scene.ts';
import { atHead, expectSettled, liveChainOf } from '../kit/settled.ts';
import { until } from '../kit/until.ts';

const CHAINS = 20;
/** Number of connections that PostgreSQL accepts by default, without those that it reserves for superusers. */
const CONNECTIONS_MAX = 97;
const CHECK_INTERVAL_MS = 50;
const POLL_INTERVAL_MS = 250;
const TURNS = 3;
/** By how much the stall of one chain may delay a block of another. It is less than the timeout of a request that hangs. */
const DELAY_MAX_MS = 5_000;

/** Watches the connections of programs until the returned function is called, which returns their largest number. */
function watchConnections(db: pg.Pool): () => Promise<number> {
  let [max, isStopped] = [0, false];
  const watching = (async () => {
    while (!isStopped) {
      const { rows } = await db.query(
        "select from pg_stat_activity where datname = current_database() and application_name like 'indexer%'",
      );
      max = Math.max(max, rows.length);
      await wait(CHECK_INTERVAL_MS);
    }
  })();
  watching.catch(() => undefined); // Awaited below, unless the test fails before.
  return async () => {
    isStopped = true;
    await watching;
    return max;
  };
}

test('two daemons with 20 chains fit into 100 connections, and a chain that stalls does not delay the other 19', async () => {
  const servers = await Promise.all(Array.from({ length: CHAINS - 1 }, (_, at) => serve(busyChain(24, 8, 1_000 + at))));
  const { chain, server, db, daemon, startDaemon, settled } = await follow({
    otherChains: servers,
    settings: { pollIntervalMs: POLL_INTERVAL_MS },
  });
  const stopWatching = watchConnections(db);
  const standby = await startDaemon();
  const others = servers.map((other) => other.chain);
  const atHeads = async () => {
    for (const { chainId, head } of others) await until('the head', () => atHead(db, chainId, head.hash));
  };
  await atHeads();
  for (const program of [daemon, standby])
    await until('/ready to be green', async () => (await program.ready()).status === 200);
  expect(Object.keys((await daemon.ready()).chains)).toHaveLength(CHAINS);

  const blocks = busyBlocks(31);
  /** Appends a block to each chain, several times. Returns the median time until all chains but one are at the head. */
  const timeOfBlock = async (beforeTurn = async () => {}) => {
    const times: number[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      await beforeTurn();
      for (const each of [chain, ...others]) each.append(...blocks(1));
      const begunAt = performance.now();
      await atHeads();
      times.push(performance.now() - begunAt);
    }
    return times.sort((a, b) => a - b)[Math.floor(TURNS / 2)] as number;
  };
  const undisturbed = await timeOfBlock();
  server.misbehave({ do: { kind: 'hang' } });
  /** Waits for a request that has just begun to hang, so that a chain that waits for it would be late in every turn. */
  const untilHanging = async () => {
    const asked = server.arrivals.length;
    await until('a request that hangs', () => server.arrivals.length > asked);
  };
  expect(await timeOfBlock(untilHanging)).toBeLessThan(2 * undisturbed + DELAY_MAX_MS);
  server.heal();
  await settled();
  for (const other of others) await expectSettled(db, liveChainOf(other));
  const connections = await stopWatching();
  expect(connections).toBeGreaterThan(0);
  expect(connections).toBeLessThanOrEqual(CONNECTIONS_MAX);
});
