import { createHash } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import type { Daemon } from '../../kit/daemon.ts';
import { busyBlocks } from '../../kit/music.ts';
import { TcpProxy } from '../../kit/proxy.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { expectFactsAsCovered } from '../../kit/settled.ts';
import { expectedSnapshots, Reader, readSnapshot } from '../../kit/snapshots.ts';
import { until } from '../../kit/until.ts';

/** The shares of a commit's bytes that reach PostgreSQL before the process dies. If all bytes do, the commit succeeds without an answer. */
const SHARES = [0.02, 0.3, 0.6, 0.95, 1];

/** The text by which a commit is recognised: the name of the prepared statement, and the statement itself. */
const COMMIT = [createHash('md5').update('commit').digest('hex'), 'commit'];

/** Truncates the next commit after `share` of its bytes and kills the daemon. Returns a function that tells whether it did. */
function killInside(proxy: TcpProxy, share: number, daemon: Daemon): () => boolean {
  let killed = false;
  proxy.onSent = (bytes) => {
    if (!killed && !COMMIT.some((name) => bytes.includes(name))) return undefined;
    killed = true;
    void daemon.kill();
    return Math.floor(bytes.length * share);
  };
  return () => killed;
}

test('a daemon killed in the middle of a commit leaves all of it or nothing, and resumes after a restart', async () => {
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const scene = await follow({ chain: busyChain(30), databaseProxy: proxy });
  const { chain, db, url, startDaemon, settled } = scene;
  const held = expectedSnapshots(chain);
  const blocks = busyBlocks(14);
  let { daemon } = scene;
  await settled();
  const reader = await Reader.start(url, (client) => readSnapshot(client, chain.chainId));
  for (const share of SHARES) {
    const killed = killInside(proxy, share, daemon);
    chain.append(...blocks(3));
    await until('the daemon to die', () => killed() && !daemon.isRunning);
    await expectFactsAsCovered(db, chain);
    proxy.onSent = () => undefined;
    daemon = await startDaemon();
    await settled();
  }
  for (const picture of await reader.stop()) expect(picture).toEqual(held.get(picture.head));
});
