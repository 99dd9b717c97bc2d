import { expect, test } from 'vitest';
import type { RpcObservation } from '../../indexer/source/source.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import type { Fault } from '../kit/chain-server.ts';
import { ADDRESS, busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();
const KEY = 'k3y-of-the-provider';

/** Opens a source whose requests are recorded. */
function openObserved(url: string, requestTimeoutMs = 20_000) {
  const seen: RpcObservation[] = [];
  const source = fixture.open([url], { attempts: 1, requestTimeoutMs }, { observe: (one) => seen.push(one) });
  return { source, seen, outcomes: () => seen.map(({ method, outcome, calls }) => `${method} ${outcome} ${calls}`) };
}

test('every request is observed with its endpoint, and no observation holds the key of the URL', async () => {
  const server = await fixture.serve(busyChain(3));
  const { source, seen } = openObserved(`${server.url}/${KEY}`);
  await source.head();
  const endpoint = `127.0.0.1:${server.port}#0`;
  expect(seen).toEqual([
    { chain: 31_337, endpoint, method: 'eth_chainId', outcome: 'ok', calls: 1, seconds: expect.any(Number) },
    { chain: 31_337, endpoint, method: 'eth_getBlockByNumber', outcome: 'ok', calls: 1, seconds: expect.any(Number) },
  ]);
  for (const { seconds } of seen) expect(seconds).toBeGreaterThan(0);
});

test('a batch is observed with the number of its calls, apart from those that were refused', async () => {
  const server = await fixture.serve(busyChain(40));
  const { source, outcomes } = openObserved(server.url);
  const refused = { kind: 'error', code: -32000, message: 'gas of the moon is low' } as const;
  server.misbehave({ methods: ['eth_getBlockByNumber'], when: ([block]) => block === '0x5', do: refused });
  await source.fetchRange({ from: 1, to: 40, strict: true, watch: WATCH }).catch(() => undefined);
  expect(outcomes().slice(0, 3)).toEqual([
    'eth_chainId ok 1',
    'eth_getBlockByNumber ok 39',
    'eth_getBlockByNumber refused 1',
  ]);
});

test.each<[string, string, Fault['do']]>([
  ['a rate limit', 'rate-limited', { kind: 'http', status: 429 }],
  ['a gateway that has no node', 'error', { kind: 'http', status: 502 }],
  ['half a response', 'error', { kind: 'truncate' }],
  ['an error of the node', 'refused', { kind: 'error', code: -32000, message: 'gas of the moon is low' }],
  ['no answer in time', 'timeout', { kind: 'hang' }],
])('%s is observed as %s', async (_, outcome, fault) => {
  const server = await fixture.serve(busyChain(3));
  for (const url of [server.url, server.wsUrl]) {
    // A WebSocket has no HTTP status, and a closed connection does not mean a rate limit.
    if (url === server.wsUrl && fault.kind === 'http') continue;
    const { source, outcomes } = openObserved(url, fault.kind === 'hang' ? 500 : undefined);
    await source.head();
    const heal = server.misbehave({ methods: ['eth_getBlockByNumber'], do: fault });
    await source.head().catch(() => undefined);
    heal();
    expect(outcomes().slice(2)).toContain(`eth_getBlockByNumber ${outcome} 1`);
  }
});

test('a call that reverts is observed as refused, and one that is given up as aborted', async () => {
  const chain = busyChain(1);
  chain.call = () => {
    throw new RpcFault(3, 'execution reverted');
  };
  const server = await fixture.serve(chain);
  const { source, outcomes } = openObserved(server.url);
  await source.call(ADDRESS, '0x').catch(() => undefined);
  expect(outcomes().at(-1)).toBe('eth_call refused 1');
  server.misbehave({ do: { kind: 'hang' } });
  const stop = new AbortController();
  const call = source.call(ADDRESS, '0x', undefined, stop.signal);
  await until('the request to arrive', () => server.count('eth_call') === 2);
  stop.abort();
  await expect(call).rejects.toMatchObject({ name: 'Aborted' });
  await until('the observation', () => outcomes().at(-1) === 'eth_call aborted 1');
});

test('a subscription is observed', async () => {
  const server = await fixture.serve(busyChain(3));
  const { source, outcomes } = openObserved(server.wsUrl);
  const stop = new AbortController();
  const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
  await heads.next();
  stop.abort();
  await heads.next();
  expect(outcomes()).toContain('eth_subscribe ok 1');
});

test('the state of an endpoint tells its failure without the key, its learnt range and its learnt rate', async () => {
  const server = await fixture.serve(busyChain(50));
  const { source } = openObserved(`${server.url}/${KEY}`);
  const state = () => source.endpointStates()[0];
  const healthy = { endpoint: `127.0.0.1:${server.port}#0`, status: 'healthy', reason: undefined };
  expect(state()).toEqual({ ...healthy, rangeBlocks: 2_000, callsPerSecond: undefined });
  server.view.cap = ({ blocks }) => {
    if (blocks > 20) throw new RpcFault(-32005, 'eth_getLogs is limited to a 20 blocks range');
  };
  await source.fetchRange({ from: 1, to: 30, strict: false, watch: WATCH });
  expect(state()).toMatchObject({ ...healthy, rangeBlocks: 20 });
  const heal = server.misbehave({ do: { kind: 'http', status: 429, body: `no more for ${KEY}` } });
  await source.head().catch(() => undefined);
  expect(state()).toMatchObject({
    status: 'cooling down',
    reason: expect.stringContaining('HTTP 429'),
    callsPerSecond: 50,
  });
  expect(state()?.reason).not.toContain(KEY);
  heal();
  await source.head();
  expect(state()).toMatchObject(healthy);
});
