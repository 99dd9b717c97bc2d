import { expect, test } from 'vitest';
import { RpcFault } from '../kit/chain-rpc.ts';
import { database, serve } from '../kit/follow.ts';
import { announceAll, busyBlocks, registerArtist } from '../kit/music.ts';
import { Program } from '../kit/program.ts';
import { onEachQueue } from '../kit/redis.ts';
import { atHead, expectSettled, truthOf } from '../kit/settled.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain } from './scene.ts';

const BLOCKS = 4_000;

await onEachQueue((place) => {
  test('contracts added to a running daemon are followed at once and filled by the daemon and a worker', async () => {
    const chain = longChain(BLOCKS);
    const server = await serve(chain);
    const { url, db } = await database();
    const artist = await registerArtist(db);
    const env = { DATABASE_URL: url, QUEUE_URL: place().url, [`RPC_URL_${chain.chainId}`]: server.url };
    const daemon = new Program(['start'], env);
    await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
    const worker = new Program(['worker'], env);
    await until('the worker', () => worker.said('worker started').length > 0);
    // Filling takes many slow requests.
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 150 } });
    server.view.cap = ({ blocks }) => {
      if (blocks > 10) throw new RpcFault(-32000, 'block range too large, max is 10 blocks');
    };
    await announceAll(db, artist, chain);
    await until('the contracts to be live', async () => {
      const { rows } = await db.query('select bool_and(live_from is not null) as live from indexer.contracts');
      if (rows[0]?.live !== true) chain.append(...busyBlocks(3)(1));
      return rows[0]?.live === true;
    });
    expect(await filledBlocks(db)).toBeLessThan(BLOCKS - 100);
    heal();
    server.view.cap = undefined;
    await expectSettled(db, truthOf(chain));
    expect(daemon.said('range filled').length + worker.said('range filled').length).toBeGreaterThan(1);
    for (const program of [daemon, worker]) program.signal('SIGTERM');
    expect(await Promise.all([daemon.exited, worker.exited])).toEqual([0, 0]);
  });
});
