import { describe, expect, test } from 'vitest';
import type { RpcEndpoint } from '../../indexer/config/define.ts';
import type { Source } from '../../indexer/source/source.ts';
import { Chain } from '../kit/chain.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { busyChain, log, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();
const MINUTE_MS = 60_000;

/** Opens a source whose clock a test can put forward. */
function openWithClock(rpcUrls: readonly RpcEndpoint[]) {
  let laterMs = 0;
  const source = fixture.open(rpcUrls, {}, { now: () => performance.now() + laterMs });
  return { source, later: (ms: number) => (laterMs += ms) };
}

const statusOf = (source: Source, at = 0) => source.endpointStates()[at]?.status;
const nameOf = (server: ChainServer, at = 0) => `127.0.0.1:${server.port}#${at}`;
const quarantines = () => fixture.notices.filter(({ event }) => event === 'endpoint quarantined');

/** Waits until a quarantined endpoint has been asked again and its answer was judged, which needs another round trip. */
async function askedAgain(source: Source, server: ChainServer, isAsked: () => boolean): Promise<void> {
  await until('the endpoint to be asked again', () => isAsked() && server.waiting === 0);
  await source.witnesses(1);
}

/** Makes a server give blocks without hashes. */
const withholdHashes = (server: ChainServer) =>
  server.misbehave({
    methods: ['eth_getBlockByNumber'],
    do: { kind: 'result', result: (block) => ({ ...(block as object), hash: '0x' }) },
  });

describe('an endpoint that contradicts itself where another one does not', () => {
  test('is set aside with its evidence, for longer each time, and comes back once it makes sense', async () => {
    const chain = busyChain(5);
    const [wrong, right] = [await fixture.serve(chain), await fixture.serve(chain)];
    const { source, later } = openWithClock([wrong.url, right.url]);
    const heal = withholdHashes(wrong);
    await expect(source.head()).resolves.toMatchObject({ number: 5 });
    expect(statusOf(source)).toBe('quarantined');
    const [{ endpoint, detail }] = quarantines() as [(typeof fixture.notices)[0]];
    expect(endpoint).toBe(nameOf(wrong));
    expect(detail).toMatch(/hash.*where 127\.0\.0\.1:\d+#1 gave consistent answers; it is asked again in 60 s$/);

    const asked = wrong.requests;
    for (let time = 0; time < 5; time++) await source.head();
    expect(wrong.requests).toBe(asked);

    // After a minute the endpoint is asked again and is still wrong. It is not used, and the next check is in two minutes.
    later(MINUTE_MS);
    await source.head();
    await until('the endpoint to be asked again', () => wrong.count('eth_getBlockByNumber') > 2);
    await until('the answer to be judged', () => wrong.waiting === 0);
    const tried = wrong.requests;
    await source.head();
    later(MINUTE_MS);
    await source.head();
    expect(wrong.requests).toBe(tried);

    heal();
    later(MINUTE_MS);
    await source.head();
    await until('the endpoint to come back', () => statusOf(source) === 'healthy');
    expect(fixture.notices.at(-1)).toMatchObject({ event: 'endpoint restored', endpoint: nameOf(wrong) });
    const before = right.requests;
    await source.head();
    expect(right.requests).toBe(before);
    expect(quarantines()).toHaveLength(1);
  });

  test('is used all the same when no other one answers', async () => {
    const chain = busyChain(5);
    const [wrong, right] = [await fixture.serve(chain), await fixture.serve(chain)];
    const { source } = openWithClock([wrong.url, right.url]);
    const heal = withholdHashes(wrong);
    await source.head();
    expect(statusOf(source)).toBe('quarantined');
    heal();
    right.misbehave({ do: { kind: 'http', status: 502 } });
    await expect(source.head()).resolves.toMatchObject({ number: 5 });
  });

  test('is not set aside where no endpoint is consistent', async () => {
    const server = await fixture.serve(busyChain(5));
    const { source } = openWithClock([server.url]);
    withholdHashes(server);
    await expect(source.head()).rejects.toMatchObject({ name: 'RpcInconsistency' });
    expect(quarantines()).toEqual([]);
  });
});

test('an endpoint whose logs receipts disprove is set aside until it gives the logs of that block', async () => {
  const chain = new Chain();
  for (let number = 1; number <= 20; number++) chain.append({ logs: [log({ data: '0x01' }), log({ data: '0x02' })] });
  const [liar, honest] = [await fixture.serve(chain), await fixture.serve(chain)];
  const heal = liar.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (logs) => (logs as { data: string }[]).filter(({ data }) => data !== '0x02') },
  });
  const { source, later } = openWithClock([liar.url, honest.url]);
  const read = () => source.fetchRange({ from: 1, to: 20, strict: false, watch: WATCH });
  expect((await read()).logs).toHaveLength(40);
  const evidence = `eth_getLogs gave 1 logs of block 1 (${chain.block(1)?.hash}) that differ from the 2 of its receipts`;
  expect(source.endpointStates()[0]).toMatchObject({ status: 'quarantined', reason: evidence });
  const asked = liar.requests;
  await read();
  expect(liar.requests).toBe(asked);
  heal();
  later(MINUTE_MS);
  await read();
  await until('the endpoint to come back', () => statusOf(source) === 'healthy');
});

test('an endpoint whose head stands still while another one grows is set aside until its head moves', async () => {
  const chain = busyChain(5);
  const old = chain.fork();
  [old.finalized, chain.finalized] = [1, 4];
  const [stale, growing] = [await fixture.serve(old), await fixture.serve(chain)];
  const { source, later } = openWithClock([stale.url, growing.url]);
  await source.head();
  expect(await source.finalized()).toBe(1);
  chain.mine(5);
  later(MINUTE_MS);
  await expect(source.head()).resolves.toMatchObject({ number: 10 });
  const hashes = [old.head.hash, chain.head.hash];
  expect(source.endpointStates()[0]).toMatchObject({
    status: 'quarantined',
    reason: `its head has been block 5 (${hashes[0]}) for 30 s, where ${nameOf(growing, 1)} has block 10 (${hashes[1]})`,
  });
  // The quarantined endpoint no longer holds back the finalized block either.
  expect(await source.finalized()).toBe(4);
  // While the endpoint's head does not move, the endpoint is asked again but stays quarantined, however long that lasts.
  for (let minute = 0; minute < 3; minute++) {
    const asked = stale.requests;
    later(MINUTE_MS);
    await source.head();
    await askedAgain(source, stale, () => stale.requests > asked);
    expect(statusOf(source)).toBe('quarantined');
  }
  // The other endpoint may have invented its head. So it is enough that the head of the quarantined endpoint moves.
  old.mine(1);
  later(MINUTE_MS);
  await source.head();
  await until('the endpoint to come back', () => statusOf(source) === 'healthy');
});

test('an endpoint that lacked a log of a block above finalized is asked again soon, and comes back once that block is reorganised', async () => {
  const chain = busyChain(20);
  const [late, whole] = [await fixture.serve(chain), await fixture.serve(chain)];
  late.misbehave({ methods: ['eth_getLogs'], do: { kind: 'result', result: () => [] } });
  const { source, later } = openWithClock([late.url, whole.url]);
  const read = () => source.fetchRange({ from: 20, to: 20, strict: true, watch: WATCH });
  // A slow request is also sent to the other endpoint, which may answer first.
  const found: number[] = [];
  await until('the endpoint to be set aside', async () => {
    found.push((await read()).logs.length);
    return statusOf(source) === 'quarantined';
  });
  expect(new Set(found)).toEqual(new Set([1]));
  expect(quarantines()[0]?.detail).toMatch(/it is asked again in 10 s$/);
  // While the endpoint's answers lack the log, the pause between checks stays the same.
  for (let time = 0; time < 3; time++) {
    const asked = late.count('eth_getLogs');
    later(10_000);
    await source.head();
    await askedAgain(source, late, () => late.count('eth_getLogs') > asked);
    expect(statusOf(source)).toBe('quarantined');
  }
  chain.reorg(1);
  later(10_000);
  await source.head();
  await until('the endpoint to come back', () => statusOf(source) === 'healthy');
});

test('an endpoint on another fork than the newest block, which another one gave, is not set aside', async () => {
  const chain = busyChain(20);
  const fork = chain.fork(18);
  fork.mine(2);
  const [forked, right] = [await fixture.serve(fork), await fixture.serve(chain)];
  const { source } = openWithClock([forked.url, right.url]);
  const tip = (await source.witnesses(20)).find(({ header }) => header?.hash === chain.head.hash)?.header;
  if (tip === undefined) throw new Error('no endpoint has the head');
  const { headers } = await source.fetchRange({ from: 19, to: 20, strict: true, watch: WATCH, tip });
  expect(headers.map(({ hash }) => hash)).toEqual([chain.block(19)?.hash, chain.block(20)?.hash]);
  expect(statusOf(source)).toBe('healthy');
  expect(fixture.notices).toEqual([]);
});

test('an endpoint of another chain is never used, but asked again and used once it serves the right one', async () => {
  const right = await fixture.serve(busyChain(3));
  const wrong = await fixture.serve(new Chain({ chainId: 5 }));
  const { source, later } = openWithClock([wrong.url, right.url]);
  await source.head();
  expect(statusOf(source)).toBe('refused');
  right.misbehave({ do: { kind: 'http', status: 502 } });
  later(MINUTE_MS);
  await expect(source.head()).rejects.toMatchObject({ kind: 'unavailable' });
  await until('the endpoint to be asked again', () => wrong.count('eth_chainId') === 2 && wrong.waiting === 0);
  expect(wrong.requests).toBe(2);
  wrong.serve(right.chain);
  later(2 * MINUTE_MS);
  await source.head().catch(() => undefined);
  await until('the endpoint to come back', () => statusOf(source) === 'healthy');
  await expect(source.head()).resolves.toMatchObject({ number: 3 });
});

test('a subscription of an endpoint that is set aside ends, and heads come from another one', async () => {
  const chain = busyChain(5);
  const [wrong, right] = [await fixture.serve(chain), await fixture.serve(chain)];
  const { source } = openWithClock([wrong.wsUrl, right.wsUrl]);
  const stop = new AbortController();
  const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
  expect((await heads.next()).value).toMatchObject({ number: 5 });
  withholdHashes(wrong);
  await source.head();
  expect(statusOf(source)).toBe('quarantined');
  chain.mine(1);
  expect((await heads.next()).value).toMatchObject({ number: 6, timestamp: chain.head.timestamp });
  await until('the other subscription', () => right.subscriptions === 1);
  expect(wrong.subscriptions).toBe(0);
  stop.abort();
  await heads.next();
});
