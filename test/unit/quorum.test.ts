import { expect, test } from 'vitest';
import { resolveConfig } from '../../indexer/config/resolve.ts';
import { busyChain, log, sourceFixture } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();

/** Opens a source over three endpoints of one chain, of which two must agree. */
async function openThree() {
  const chain = busyChain(10);
  const servers = [await fixture.serve(chain), await fixture.serve(chain), await fixture.serve(chain)] as const;
  const source = fixture.open(
    servers.map(({ url }) => url),
    { quorum: 2 },
  );
  return { chain, servers, source };
}

test('the head is the highest block on which enough endpoints agree', async () => {
  const { chain, servers, source } = await openThree();
  await expect(source.head()).resolves.toMatchObject({ number: 10, hash: chain.head.hash });
  [servers[1].view.lag, servers[2].view.lag] = [2, 5];
  // One endpoint alone has block 10. Two have block 8, of which one has to be asked.
  await expect(source.head()).resolves.toMatchObject({ number: 8, hash: chain.block(8)?.hash });
});

test('a head that one endpoint invents does not count', async () => {
  const { chain, servers, source } = await openThree();
  const fork = chain.fork(8);
  for (let block = 0; block < 5; block++) fork.append({ logs: [log({ data: '0xff' })] });
  servers[0].serve(fork);
  await expect(source.head()).resolves.toMatchObject({ number: 10, hash: chain.head.hash });
});

test('while too few endpoints agree or answer, there is no head, and the error says how many', async () => {
  const { chain, servers, source } = await openThree();
  const forks = [chain.fork(8), chain.fork(8)] as const;
  for (const [at, fork] of forks.entries())
    for (let block = 0; block < 2; block++) fork.append({ logs: [log({ data: `0x0${at}` })] });
  servers[1].serve(forks[0]);
  servers[2].serve(forks[1]);
  await expect(source.head()).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(
      /^no quorum for the head: block 10 is 0x\w+ at 1, .* of 3 endpoints, and 2 must agree$/,
    ),
  });
  for (const server of servers) server.serve(chain);
  const heal = servers.slice(1).map((server) => server.misbehave({ do: { kind: 'http', status: 502 } }));
  await expect(source.head()).rejects.toThrow('1 of 3 endpoints give a head, and 2 must agree');
  for (const one of heal) one();
  await expect(source.head()).resolves.toMatchObject({ number: 10 });
});

test('an endpoint that hangs is not waited for', async () => {
  const { servers, source } = await openThree();
  await source.head();
  servers[0].misbehave({ do: { kind: 'hang' } });
  const startedAt = performance.now();
  await expect(source.head()).resolves.toMatchObject({ number: 10 });
  // Its request times out after 20 s.
  expect(performance.now() - startedAt).toBeLessThan(15_000);
});

test('an announced block counts once enough endpoints have it', async () => {
  const chain = busyChain(10);
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  const source = fixture.open([first.wsUrl, second.url], { quorum: 2 });
  const stop = new AbortController();
  const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
  expect((await heads.next()).value).toMatchObject({ number: 10 });
  const next = heads.next();
  let hasCounted = false;
  void next.then(() => {
    hasCounted = true;
  });
  second.view.lag = 1;
  chain.mine(1);
  const asked = second.count('eth_getBlockByNumber');
  await until('the second endpoint to be asked several times', () => second.count('eth_getBlockByNumber') > asked + 3);
  expect(hasCounted).toBe(false);
  second.view.lag = 0;
  expect((await next).value).toMatchObject({ number: 11, hash: chain.head.hash });
  stop.abort();
  await heads.next();
});

test('without the setting, only one endpoint is asked for the head', async () => {
  const chain = busyChain(10);
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  await fixture.open([first.url, second.url]).head();
  expect(second.requests).toBe(0);
});

test('a quorum of more endpoints than there are is refused', () => {
  const settings = { chains: { 1: { rpcUrls: ['http://a.example', 'http://b.example'], quorum: 3 } } };
  const resolve = () => resolveConfig(settings, 'config/local.ts', {}, ['chains']);
  expect(resolve).toThrow(
    'config/local.ts chains.1.quorum: must be at most the number of endpoints; the chain has 2 endpoints',
  );
});
