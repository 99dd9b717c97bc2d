import { expect, test } from 'vitest';
import type { Source } from '../../indexer/source/source.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();
const BLOCKS = 10;

/** Opens a source over two endpoints of one chain. The first one has answered so often and so quickly that its speed is known. */
async function openLearnt() {
  const chain = busyChain(BLOCKS);
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  const source = fixture.open([first.url, second.url]);
  for (let time = 0; time < 20; time++) {
    await source.head();
    await readNewest(source);
  }
  return { chain, first, second, source };
}

const readNewest = (source: Source) =>
  source.fetchRange({ from: BLOCKS, to: BLOCKS, strict: true, watch: WATCH }).then(({ logs }) => logs.length);

const hang = (server: ChainServer) => server.misbehave({ do: { kind: 'hang' } });

test('a head and the newest logs come from another endpoint when the preferred one hangs', async () => {
  const { first, second, source } = await openLearnt();
  const asked = second.requests;
  hang(first);
  // A request would time out only after 20 s.
  const startedAt = performance.now();
  await expect(source.head()).resolves.toMatchObject({ number: BLOCKS });
  expect(await readNewest(source)).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(second.requests).toBeGreaterThan(asked);
});

test('an announced block is read from another endpoint when the one that announced it hangs', async () => {
  const chain = busyChain(BLOCKS);
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  const source = fixture.open([first.wsUrl, second.url]);
  const stop = new AbortController();
  const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
  await heads.next();
  hang(first);
  chain.mine(1);
  const startedAt = performance.now();
  expect((await heads.next()).value).toMatchObject({ number: BLOCKS + 1 });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(second.count('eth_getBlockByNumber')).toBe(1);
  stop.abort();
  await heads.next();
});

test('a second endpoint that lags or contradicts is not believed, and the slow one is waited for', async () => {
  const { chain, first, second, source } = await openLearnt();
  first.misbehave({ do: { kind: 'latency', ms: 1_200 } });
  second.view.lag = 4;
  await expect(source.head()).resolves.toMatchObject({ number: BLOCKS });
  second.view.lag = 0;
  second.misbehave({ do: { kind: 'result', result: () => ({ number: '0x63' }) } });
  await expect(source.head()).resolves.toMatchObject({ number: BLOCKS, hash: chain.head.hash });
  expect(second.requests).toBeGreaterThan(1);
});

test('an endpoint that becomes slower and slower is not hedged for more than a tenth of its requests', async () => {
  const { first, second, source } = await openLearnt();
  const SLOW_REQUESTS = 20;
  const asked = second.count('eth_getBlockByNumber');
  for (let time = 0; time < SLOW_REQUESTS; time++) {
    const heal = first.misbehave({ methods: ['eth_getBlockByNumber'], do: { kind: 'latency', ms: 120 + 10 * time } });
    await source.head();
    heal();
  }
  const hedges = second.count('eth_getBlockByNumber') - asked;
  expect(hedges).toBeGreaterThan(0);
  expect(hedges).toBeLessThanOrEqual(5 + SLOW_REQUESTS / 10);
});

test('a healthy endpoint has all requests to itself, and one that hangs counts as failed after its timeout', async () => {
  const chain = busyChain(BLOCKS);
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  const source = fixture.open([first.url, second.url], { requestTimeoutMs: 3_000 });
  for (let time = 0; time < 40; time++) await source.head();
  // On a busy machine a request may look slow.
  expect(second.requests).toBeLessThanOrEqual(10);
  hang(first);
  await source.head();
  await until('the endpoint to fail', () => source.endpointStates()[0]?.status === 'cooling down');
});
