import { expect, inject, test } from 'vitest';
import type { Hex } from '../../../indexer/kernel/chain.ts';
import { announceAll, busyBlocks } from '../../kit/music.ts';
import { TcpProxy } from '../../kit/proxy.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { atHead, reorgsOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const HEAD = 180;
const ANCESTOR = 70;

test.each([
  { how: 'slow reads', nodeMs: 8_000, databaseMs: 0 },
  // Blocks of the lost branch have been read and await their commit when the unwind happens.
  { how: 'slow writes', nodeMs: 0, databaseMs: 25 },
])(
  'a reorg of blocks that are being filled, with $how, leaves none of the lost branch',
  async ({ nodeMs, databaseMs }) => {
    const proxy = await TcpProxy.before(inject('postgresUrl'));
    const { chain, server, db, artist, settled } = await follow({
      chain: busyChain(HEAD),
      announce: false,
      databaseProxy: proxy,
    });
    await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
    // A slow node delivers the end of the branch only after the reorg.
    const isAtEnd = ([filter]: readonly unknown[]) =>
      (chain.blockOf((filter as { blockHash: Hex }).blockHash)?.number ?? 0) > HEAD - 10;
    const heal = server.misbehave({ methods: ['eth_getLogs'], when: isAtEnd, do: { kind: 'latency', ms: nodeMs } });
    proxy.delayMs = databaseMs;
    await announceAll(db, artist, chain);
    const filled = async () => {
      const { rows } = await db.query('select min(upper(covered)) as upper from indexer.contracts');
      return Number(rows[0]?.upper ?? 0) - 1;
    };
    await until('some blocks of the branch that will be lost', async () => {
      const read = server.counts.get('eth_getLogs') ?? 0;
      return (databaseMs > 0 ? read : await filled()) > ANCESTOR + 10;
    });
    expect(await filled()).toBeLessThan(HEAD);
    chain.reorg(HEAD - ANCESTOR, busyBlocks(6)(HEAD - ANCESTOR + 5));
    heal();
    await until('the unwind', async () => (await reorgsOf(db, chain.chainId)).length > 0);
    proxy.delayMs = 0;
    await settled();
    expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: HEAD, to: ANCESTOR, depth: HEAD - ANCESTOR }]);
  },
);
