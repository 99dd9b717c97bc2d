import { createHash } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import { Daemon } from '../../kit/daemon.ts';
import { busyChain, follow } from '../../kit/follow.ts';
import { busyBlocks } from '../../kit/music.ts';
import { heldStates, pictureOf, Reader } from '../../kit/picture.ts';
import { TcpProxy } from '../../kit/proxy.ts';
import { expectFactsAsCovered } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

/** How much of a commit reaches PostgreSQL before the process dies; after all of it, it is committed without anybody to tell. */
const SHARES = [0.02, 0.3, 0.6, 0.95, 1];

/** The names by which a prepared `commit` goes, and what it says before it has one. */
const COMMIT = [createHash('md5').update('commit').digest('hex'), 'commit'];

/** Cuts the next commit off, and kills the daemon. */
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

test('killed inside a commit, at each of its stages', async () => {
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const scene = await follow({ chain: busyChain(30), by: (url) => proxy.url(url) });
  const { chain, db, url, following, settled } = scene;
  const held = heldStates(chain);
  const blocks = busyBlocks(14);
  let { daemon } = scene;
  await settled();
  const reader = await Reader.start(url, (client) => pictureOf(client, chain.chainId));
  for (const share of SHARES) {
    const killed = killInside(proxy, share, daemon);
    chain.append(...blocks(3));
    await until('the daemon to die', () => killed() && !daemon.isRunning);
    await expectFactsAsCovered(db, chain);
    proxy.onSent = () => undefined;
    daemon = await Daemon.start(following);
    await settled();
  }
  for (const picture of await reader.stop()) expect(picture).toEqual(held.get(picture.head));
});
