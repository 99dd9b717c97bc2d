import { expect, test } from 'vitest';
import { announceAll, busyBlocks } from '../../kit/music.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { atHead, expectFactsAsCovered } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

test('SIGTERM while filling and following exits 0, and a restart resumes', async () => {
  const { chain, server, db, artist, daemon, startDaemon, settled } = await follow({
    chain: busyChain(200, 20),
    announce: false,
  });
  await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 100 } });
  await announceAll(db, artist, chain);
  await until('some history to be filled', async () => {
    const { rows } = await db.query("select from indexer.contracts where covered <> '{}'");
    return rows.length > 0;
  });
  chain.append(...busyBlocks(16)(3));
  // If stopping took too long, the daemon would exit with another code.
  expect(await daemon.stop()).toBe(0);
  await expectFactsAsCovered(db, chain);
  heal();
  await startDaemon();
  await settled();
});

test('SIGTERM while a request gets no response exits 0', async () => {
  const { chain, server, db, daemon, settled } = await follow();
  await settled();
  server.misbehave({ do: { kind: 'hang' } });
  const asked = server.arrivals.length;
  await until('a request that hangs', () => server.arrivals.length > asked);
  // If stopping took too long, the daemon would exit with another code.
  expect(await daemon.stop()).toBe(0);
  await expectFactsAsCovered(db, chain);
});
