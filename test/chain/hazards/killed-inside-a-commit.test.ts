import { expect, inject, test } from 'vitest';
import { Daemon } from '../../support/daemon.ts';
import { expectFactsAsCovered } from '../../support/expected.ts';
import { busyChain, follow } from '../../support/follow.ts';
import { busyBlocks } from '../../support/music.ts';
import { heldStates, pictureOf, Reader } from '../../support/picture.ts';
import { TcpProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';

/** After how many messages of a transaction the process dies; the last stands for its `commit`. */
const MOMENTS = [1, 4, 8, 12, Number.POSITIVE_INFINITY];

/** Kills the daemon once a transaction has said so much, or says `commit`. */
function killAfter(proxy: TcpProxy, messages: number, daemon: Daemon): () => boolean {
  const said = new Map<number, number>();
  let killed = false;
  proxy.onSent = (bytes, connection) => {
    const before = said.get(connection);
    if (before === undefined && !bytes.includes('begin')) return;
    said.set(connection, (before ?? 0) + 1);
    if (killed || ((before ?? 0) < messages && !bytes.includes('commit'))) return;
    killed = true;
    void daemon.kill();
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
  for (const moment of MOMENTS) {
    const killed = killAfter(proxy, moment, daemon);
    chain.append(...blocks(3));
    await until('the daemon to die', () => killed() && !daemon.isRunning);
    await expectFactsAsCovered(db, chain);
    proxy.onSent = () => undefined;
    daemon = await Daemon.start(following);
    await settled();
  }
  for (const picture of await reader.stop()) expect(picture).toEqual(held.get(picture.head));
});
