import { expect, test } from 'vitest';
import { ConfigError } from '../../indexer/kernel/errors.ts';
import { Chain } from '../kit/chain.ts';
import { busyChain, log, OTHER_ADDRESS, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();

test('an endpoint of another chain is named, and never used', async () => {
  const right = await fixture.serve(busyChain(3));
  const wrong = await fixture.serve(new Chain({ chainId: 5 }));
  const source = fixture.open([wrong.url, right.url]);
  await expect(source.head()).resolves.toMatchObject({ number: 3 });
  expect(source.endpoints()).toEqual([`127.0.0.1:${right.port}#1`]);
  expect(wrong.count('eth_getBlockByNumber')).toBe(0);
  await expect(source.checkChainId()).rejects.toThrow(`127.0.0.1:${wrong.port}#0 serves chain 5, not 31337`);
});

test('when all endpoints are of another chain, that is said', async () => {
  const wrong = await fixture.serve(new Chain({ chainId: 5 }));
  const source = fixture.open([wrong.url]);
  await expect(source.checkChainId()).rejects.toBeInstanceOf(ConfigError);
  await expect(source.head()).rejects.toBeInstanceOf(ConfigError);
});

test('an endpoint that is away at the start is checked before it is used', async () => {
  const server = await fixture.serve(new Chain({ chainId: 5 }));
  const heal = server.misbehave({ do: { kind: 'http', status: 502 } });
  const source = fixture.open([server.url]);
  await source.checkChainId();
  heal();
  await expect(source.head()).rejects.toBeInstanceOf(ConfigError);
});

test('another endpoint answers for one in trouble, without delay, and the one in trouble is left alone', async () => {
  const chain = busyChain(3);
  const [ill, well] = [await fixture.serve(chain), await fixture.serve(chain)];
  // The clock stands still: the time for which the one in trouble is left alone does not pass.
  const startedAt = performance.now();
  const source = fixture.open([ill.url, well.url], {}, () => startedAt);
  await source.head();
  ill.misbehave({ do: { kind: 'http', status: 502 } });
  const before = ill.arrivals.length;
  for (let time = 0; time < 10; time++) await source.head();
  expect(ill.arrivals.length - before).toBeLessThanOrEqual(2);
});

test('finalized is the lowest that an endpoint serves', async () => {
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

test('where no endpoint serves the finalized tag there is none', async () => {
  const server = await fixture.serve(busyChain(10));
  server.view.noFinalizedTag = true;
  const source = fixture.open([server.url]);
  expect(await source.finalized()).toBeUndefined();
  await source.finalized();
  expect(server.count('eth_getBlockByNumber')).toBe(1);
});

test('before the first finalized block there is none', async () => {
  const server = await fixture.serve(busyChain(10));
  expect(await fixture.open([server.url]).finalized()).toBeUndefined();
});

test('witnesses are each asked on their own', async () => {
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

test('null for a header that another node has is not believed', async () => {
  const chain = busyChain(10);
  const [behind, full] = [await fixture.serve(chain), await fixture.serve(chain)];
  behind.view.lag = 5;
  const source = fixture.open([behind.url, full.url]);
  await expect(source.header(9)).resolves.toMatchObject({ number: 9 });
  expect(await source.header(11)).toBeUndefined();
});

test('a range comes from the endpoint whose fork the caller is on', async () => {
  const chain = busyChain(10);
  const fork = chain.fork(6);
  for (let number = 7; number <= 12; number++) fork.append({ logs: [log()] });
  const [other, ours] = [await fixture.serve(fork), await fixture.serve(chain)];
  const source = fixture.open([other.url, ours.url]);
  const anchor = { number: 8, hash: chain.block(8)!.hash };
  const range = await source.fetchRange({ from: 9, to: 10, strict: true, watch: WATCH, anchor });
  expect(range.headers.map((header) => header.hash)).toEqual([chain.block(9)!.hash, chain.block(10)!.hash]);
});

test('an endpoint that has pruned a range is asked last for it', async () => {
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

test('logs that one endpoint hides and the bloom proves come from another', async () => {
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

test('a contradiction is thrown rather than the failure of another endpoint', async () => {
  const chain = busyChain(6);
  const [liar, away] = [await fixture.serve(chain), await fixture.serve(chain)];
  const source = fixture.open([liar.url, away.url]);
  liar.misbehave({ methods: ['eth_getLogs'], do: { kind: 'result', result: () => null } });
  liar.misbehave({ methods: ['eth_getBlockReceipts'], do: { kind: 'result', result: () => [{ blockHash: '0x12' }] } });
  liar.misbehave({ methods: ['eth_getTransactionReceipt'], do: { kind: 'result', result: () => ({}) } });
  away.misbehave({ do: { kind: 'http', status: 502 } });
  const reading = source.fetchRange({ from: 1, to: 6, strict: true, watch: WATCH });
  await expect(reading).rejects.toMatchObject({
    name: 'RpcInconsistency',
    context: { endpoint: source.endpoints()[0] },
  });
});

test('a preferred endpoint whose head stands still gives way to one that is ahead', async () => {
  const chain = busyChain(5);
  const stale = chain.fork();
  const [first, second] = [await fixture.serve(stale), await fixture.serve(chain)];
  let laterMs = 0;
  const source = fixture.open([first.url, second.url], {}, () => performance.now() + laterMs);
  await source.head();
  chain.mine(5);
  await expect(source.head()).resolves.toMatchObject({ number: 5 });
  laterMs += 60_000;
  await expect(source.head()).resolves.toMatchObject({ number: 10 });
  await expect(source.head()).resolves.toMatchObject({ number: 10 });
});
