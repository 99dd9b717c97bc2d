import { expect, test } from 'vitest';
import { ConfigError } from '../../indexer/kernel/errors.ts';
import { Chain } from '../kit/chain.ts';
import type { Fault } from '../kit/chain-server.ts';
import { busyChain, log, OTHER_ADDRESS, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();

test('an endpoint of another chain is reported with its setting and what to do, and never used', async () => {
  const right = await fixture.serve(busyChain(3));
  const wrong = await fixture.serve(new Chain({ chainId: 5 }));
  const source = fixture.open([wrong.url, right.url]);
  await expect(source.head()).resolves.toMatchObject({ number: 3 });
  expect(source.endpoints()).toEqual([`127.0.0.1:${right.port}#1`]);
  expect(wrong.count('eth_getBlockByNumber')).toBe(0);
  await expect(source.checkChainId()).rejects.toThrow(
    'RPC_URL_31337, endpoint 1: serves chain 5, not 31337; correct the URL, or name it RPC_URL_5',
  );
});

test('when every endpoint serves another chain, it is a configuration error', async () => {
  const wrong = await fixture.serve(new Chain({ chainId: 5 }));
  const source = fixture.open([wrong.url]);
  await expect(source.checkChainId()).rejects.toBeInstanceOf(ConfigError);
  const refusal = 'RPC_URL_31337: serves chain 5, not 31337; correct the URL, or name it RPC_URL_5';
  await expect(source.head()).rejects.toEqual(new ConfigError(refusal));
});

test('an endpoint that is unreachable at the start is checked before its first use', async () => {
  const server = await fixture.serve(new Chain({ chainId: 5 }));
  const heal = server.misbehave({ do: { kind: 'http', status: 502 } });
  const source = fixture.open([server.url]);
  await source.checkChainId();
  heal();
  await expect(source.head()).rejects.toBeInstanceOf(ConfigError);
});

test('when an endpoint fails, another one answers at once and the failed one is not asked during its cooldown', async () => {
  const chain = busyChain(3);
  const [failing, healthy] = [await fixture.serve(chain), await fixture.serve(chain)];
  // The clock stands still, so that the cooldown of the failed endpoint does not end.
  const startedAt = performance.now();
  const source = fixture.open([failing.url, healthy.url], {}, { now: () => startedAt });
  await source.head();
  failing.misbehave({ do: { kind: 'http', status: 502 } });
  const before = failing.arrivals.length;
  for (let time = 0; time < 10; time++) await source.head();
  expect(failing.arrivals.length - before).toBeLessThanOrEqual(2);
});

test('an endpoint that keeps failing between successes is asked after the others, until it had time to recover', async () => {
  const chain = busyChain(3);
  const [flaky, steady] = [await fixture.serve(chain), await fixture.serve(chain)];
  let time = 0;
  const source = fixture.open([flaky.url, steady.url], {}, { now: () => time });
  const isUnreliable = () => fixture.notices.some(({ event }) => event === 'endpoint unreliable');
  // Half of its requests fail. The clock passes the pause after each failure.
  for (let round = 0; round < 200 && !isUnreliable(); round++) {
    flaky.misbehave({ times: 1, do: { kind: 'http', status: 502 } });
    await source.head();
    time += 1_000;
    await source.head();
  }
  expect(fixture.notices).toContainEqual({
    event: 'endpoint unreliable',
    endpoint: `127.0.0.1:${flaky.port}#0`,
    detail: '25 % of its recent requests failed, so that other endpoints are asked first',
  });
  flaky.heal();
  const before = flaky.arrivals.length;
  for (let round = 0; round < 10; round++) await source.head();
  expect(flaky.arrivals.length).toBe(before);
  time += 120_000;
  await source.head();
  expect(flaky.arrivals.length).toBeGreaterThan(before);
});

test('the finalized block is the lowest one that any endpoint reports', async () => {
  const chain = busyChain(10);
  chain.finalized = 8;
  const behind = chain.fork();
  behind.finalized = 5;
  const [first, second] = [await fixture.serve(chain), await fixture.serve(behind)];
  const source = fixture.open([first.url, second.url]);
  expect(await source.finalized()).toBe(5);
  second.misbehave({ do: { kind: 'http', status: 502 } });
  expect(await source.finalized()).toBe(8);
});

test('there is no finalized block when no endpoint serves the tag, and the tag is asked for once', async () => {
  const server = await fixture.serve(busyChain(10));
  server.view.noFinalizedTag = true;
  const source = fixture.open([server.url]);
  expect(await source.finalized()).toBeUndefined();
  await source.finalized();
  expect(server.count('eth_getBlockByNumber')).toBe(1);
});

test('there is no finalized block before the chain has one', async () => {
  const server = await fixture.serve(busyChain(10));
  expect(await fixture.open([server.url]).finalized()).toBeUndefined();
});

test('witnesses holds the answer of each endpoint that responds', async () => {
  const chain = busyChain(10);
  const fork = chain.fork(5);
  fork.mine(3);
  const servers = [await fixture.serve(chain), await fixture.serve(fork), await fixture.serve(chain)];
  const source = fixture.open(servers.map((server) => server.url));
  servers[2]!.misbehave({ do: { kind: 'http', status: 502 } });
  const hashes = (await source.witnesses(7)).map((witness) => witness.header?.hash);
  expect(hashes).toEqual([chain.block(7)!.hash, fork.block(7)!.hash]);
  expect((await source.witnesses(10)).map((witness) => witness.header?.number)).toEqual([10, undefined]);
  for (const server of servers) server.misbehave({ do: { kind: 'http', status: 502 } });
  await expect(source.witnesses(7)).rejects.toMatchObject({ kind: 'unavailable' });
});

test('a null header is not trusted when another node has the block', async () => {
  const chain = busyChain(10);
  const [behind, full] = [await fixture.serve(chain), await fixture.serve(chain)];
  behind.view.lag = 5;
  const source = fixture.open([behind.url, full.url]);
  await expect(source.header(9)).resolves.toMatchObject({ number: 9 });
  expect(await source.header(11)).toBeUndefined();
});

test('a range is read from the endpoint that is on the fork of the anchor', async () => {
  const chain = busyChain(10);
  const fork = chain.fork(6);
  for (let number = 7; number <= 12; number++) fork.append({ logs: [log()] });
  const [other, ours] = [await fixture.serve(fork), await fixture.serve(chain)];
  const source = fixture.open([other.url, ours.url]);
  const anchor = { number: 8, hash: chain.block(8)!.hash };
  const range = await source.fetchRange({ from: 9, to: 10, strict: true, watch: WATCH, anchor });
  expect(range.headers.map((header) => header.hash)).toEqual([chain.block(9)!.hash, chain.block(10)!.hash]);
});

test('an endpoint that has pruned a range is asked last for it afterwards', async () => {
  const chain = busyChain(30);
  const [pruned, archive] = [await fixture.serve(chain), await fixture.serve(chain)];
  pruned.view.prunedBelow = 20;
  const source = fixture.open([pruned.url, archive.url]);
  for (let time = 0; time < 3; time++) {
    const range = await source.fetchRange({ from: 1, to: 5, strict: false, watch: WATCH });
    expect(range.logs.length).toBe(5);
  }
  expect(pruned.count('eth_getLogs')).toBe(1);
});

test('logs that one endpoint hides although the bloom shows them are read from another', async () => {
  const chain = busyChain(6);
  const [liar, honest] = [await fixture.serve(chain), await fixture.serve(chain)];
  liar.view.hiddenLogs = true;
  liar.view.hiddenReceipts = true;
  const range = await fixture
    .open([liar.url, honest.url])
    .fetchRange({ from: 1, to: 6, strict: true, watch: { ...WATCH, addresses: [...WATCH.addresses, OTHER_ADDRESS] } });
  expect(range.logs.length).toBe(6);
  expect(liar.count('eth_getBlockReceipts')).toBe(0);
});

test('a contradiction is thrown in preference to the outage of another endpoint', async () => {
  const chain = busyChain(6);
  const [liar, unreachable] = [await fixture.serve(chain), await fixture.serve(chain)];
  const source = fixture.open([liar.url, unreachable.url]);
  liar.misbehave({ methods: ['eth_getLogs'], do: { kind: 'result', result: () => null } });
  liar.misbehave({ methods: ['eth_getBlockReceipts'], do: { kind: 'result', result: () => [{ blockHash: '0x12' }] } });
  liar.misbehave({ methods: ['eth_getTransactionReceipt'], do: { kind: 'result', result: () => ({}) } });
  unreachable.misbehave({ do: { kind: 'http', status: 502 } });
  const reading = source.fetchRange({ from: 1, to: 6, strict: true, watch: WATCH });
  await expect(reading).rejects.toMatchObject({
    name: 'RpcInconsistency',
    context: { endpoint: source.endpoints()[0] },
  });
});

test('a preferred endpoint with a stale head is replaced by one that is ahead', async () => {
  const chain = busyChain(5);
  const stale = chain.fork();
  const [first, second] = [await fixture.serve(stale), await fixture.serve(chain)];
  let laterMs = 0;
  const source = fixture.open([first.url, second.url], {}, { now: () => performance.now() + laterMs });
  await source.head();
  chain.mine(5);
  await expect(source.head()).resolves.toMatchObject({ number: 5 });
  laterMs += 60_000;
  await expect(source.head()).resolves.toMatchObject({ number: 10 });
  await expect(source.head()).resolves.toMatchObject({ number: 10 });
});

test.each(['http', 'ws'])(
  'a connection over %s that is refused is no reason to ask for fewer blocks',
  async (transport) => {
    const server = await fixture.serve(busyChain(30));
    const source = fixture.open([transport === 'ws' ? server.wsUrl : server.url]);
    await source.head();
    await server.close();
    const range = source.fetchRange({ from: 1, to: 30, strict: false, watch: WATCH });
    await expect(range).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/^RPC_URL_31337: nothing listens/),
    });
    expect(fixture.notices.map(({ event }) => event)).not.toContain('range narrowed');
  },
);

test.each<[string, Fault['do'], RegExp]>([
  [
    '403',
    { kind: 'http', status: 403, body: 'no' },
    /eth_getBlock.*: HTTP 403: no; correct the key in the URL or the headers$/,
  ],
  ['302', { kind: 'http', status: 302, body: '' }, /eth_getBlock.*: HTTP 302: Found; correct the URL$/],
  [
    'a page',
    { kind: 'http', status: 200, body: '<html>' },
    /: the response is not JSON; is this the URL of a node\? <html>$/,
  ],
])('%s instead of an answer is reported with its setting and what to do', async (_, fault, message) => {
  const server = await fixture.serve(busyChain(3));
  const source = fixture.open([server.url]);
  await source.head();
  server.misbehave({ do: fault });
  await expect(source.head()).rejects.toThrow(new RegExp(`^RPC_URL_31337: .*${message.source}`));
});
