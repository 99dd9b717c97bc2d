import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../../indexer/config/resolve.ts';
import type { SourceOptions } from '../../indexer/source/source.ts';
import { busyChain, log, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();

/** Opens a source over three endpoints of one chain, of which two must agree by default. */
async function openThree(options: Partial<SourceOptions> = {}) {
  const chain = busyChain(10);
  const servers = [await fixture.serve(chain), await fixture.serve(chain), await fixture.serve(chain)] as const;
  const source = fixture.open(
    servers.map(({ url }) => url),
    { quorum: 2, ...options },
  );
  return { chain, servers, source };
}

test('the head is the highest block on which enough endpoints agree', async () => {
  const { chain, servers, source } = await openThree();
  await expect(source.head()).resolves.toMatchObject({ number: 10, hash: chain.head.hash });
  [servers[1].view.lag, servers[2].view.lag] = [2, 5];
  // Only one endpoint has block 10 as its head. Two have block 8, but the source must ask one of them for it.
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
  const { chain, servers, source } = await openThree();
  await source.head();
  servers[0].misbehave({ do: { kind: 'hang' } });
  chain.mine(1);
  const startedAt = performance.now();
  await expect(source.head()).resolves.toMatchObject({ number: 11 });
  // An endpoint has two seconds to answer, but the other two agree at once.
  expect(performance.now() - startedAt).toBeLessThan(1_900);
});

test('while an endpoint hangs, no read waits for it a second time, and its request goes on so that its failure counts', async () => {
  const { chain, servers, source } = await openThree();
  servers[0].misbehave({ do: { kind: 'hang' } });
  await source.head();
  const asked = servers[0].requests;
  const startedAt = performance.now();
  for (let read = 0; read < 20; read++) {
    if (read % 2 === 0) chain.mine(1);
    await expect(source.head()).resolves.toMatchObject({ number: chain.head.number });
  }
  // If the ten reads without a new block waited for the endpoint, they would take 20 s.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(servers[0].requests - asked).toBeLessThan(5);
  expect(servers[0].waiting).toBeGreaterThan(0);
});

test('two stuck endpoints that answer first do not hold the head back', async () => {
  const chain = busyChain(10);
  const old = chain.fork();
  const servers = await Promise.all([old, old, chain, chain].map((one) => fixture.serve(one)));
  const source = fixture.open(
    servers.map(({ url }) => url),
    { quorum: 2 },
  );
  await source.head();
  for (const slow of servers.slice(2)) slow.misbehave({ do: { kind: 'latency', ms: 100 } });
  for (let block = 11; block < 15; block++) {
    chain.mine(1);
    await expect(source.head()).resolves.toMatchObject({ number: block });
  }
});

describe('an endpoint in quarantine', () => {
  /** Opens a source over three endpoints, of which the first `aside` are in quarantine. */
  async function openWithAside(aside: number, quorum: number) {
    const { chain, servers, source } = await openThree({ quorum });
    for (const server of servers.slice(0, aside)) {
      const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'result', result: () => [] } });
      // Two blocks, because a slow request for a single block is also sent to another endpoint.
      await source.fetchRange({ from: 9, to: 10, strict: true, watch: WATCH });
      heal();
    }
    expect(source.endpointStates().filter(({ status }) => status === 'quarantined')).toHaveLength(aside);
    return { chain, servers, source };
  }

  test('counts while it has the block of another one, so that it does not stop the head', async () => {
    const { chain, servers, source } = await openWithAside(1, 3);
    await expect(source.head()).resolves.toMatchObject({ number: 10, hash: chain.head.hash });
    const fork = chain.fork(9);
    fork.mine(1);
    servers[0].serve(fork);
    await expect(source.head()).rejects.toThrow(/^no quorum for the head: block 10 is .* at 2, .* at 1 of 3 endpoints/);
  });

  test('cannot agree with another one in quarantine on a block that no other one has', async () => {
    const { chain, servers, source } = await openWithAside(2, 2);
    const invented = chain.fork(8);
    invented.mine(9);
    for (const server of servers.slice(0, 2)) server.serve(invented);
    await expect(source.head()).rejects.toThrow(/^no quorum for the head: block 10 is .* at 2, .* at 1 of 3 endpoints/);
    servers[1].serve(chain);
    await expect(source.head()).resolves.toMatchObject({ number: 10, hash: chain.head.hash });
  });
});

test('an announced block that never comes is waited for two seconds, however long each read takes', async () => {
  const chain = busyChain(10);
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  let laterMs = 0;
  const source = fixture.open([first.wsUrl, second.url], { quorum: 2 }, { now: () => performance.now() + laterMs });
  const stop = new AbortController();
  const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
  await heads.next();
  first.view.announce = (head) => ({ ...head, number: '0x989680' });
  second.misbehave({ do: { kind: 'latency', ms: 200 } });
  const asked = second.requests;
  chain.mine(1);
  await until('the announced block to be looked for', () => second.requests > asked + 1);
  laterMs += 2_000;
  expect((await heads.next()).value).toMatchObject({ number: 11 });
  // Reading every 100 ms for two seconds would take twenty requests.
  expect(second.requests - asked).toBeLessThan(10);
  stop.abort();
  await heads.next();
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

test('a subscription outlasts announced blocks and silences without a quorum', async () => {
  const chain = busyChain(10);
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  const fork = chain.fork(9);
  fork.mine(2);
  const source = fixture.open([first.wsUrl, second.url], { quorum: 2, headSilenceMs: 2_500 });
  const stop = new AbortController();
  const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
  await heads.next();
  second.serve(fork);
  const asked = second.requests;
  chain.mine(1);
  await until('the announced block to be looked for', () => second.requests > asked + 2);
  let quiet = { requests: 0, checks: 0 };
  const isQuiet = () => {
    const { requests } = second;
    quiet = { requests, checks: requests === quiet.requests ? quiet.checks + 1 : 0 };
    return quiet.checks > 15;
  };
  await until('the reader to give up', isQuiet);
  const givenUp = second.requests;
  await until('the head to be asked for after the silence', () => second.requests > givenUp);
  await until('the silence to go on', isQuiet);
  second.serve(chain);
  chain.mine(1);
  expect((await heads.next()).value).toMatchObject({ number: 12 });
  expect(fixture.notices.map(({ event }) => event)).toEqual(['subscribed']);
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
