import { fallback, http, type Transport } from 'viem';
import { afterEach, describe, expect, test } from 'vitest';
import { RpcInconsistency } from '../../indexer/kernel/errors.ts';
import { createClient } from '../../indexer/rpc/client.ts';
import type { BatchFault, ChainServer } from '../kit/chain-server.ts';
import { ADDRESS, busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import { HANG_TIMEOUT_MS, until } from '../kit/until.ts';

const fixture = sourceFixture();
const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const BLOCKS = 40;
const batching = ({ url }: ChainServer) => http(url, { batch: true });
const refusal = (code: number, message: string) => ({ jsonrpc: '2.0', id: null, error: { code, message } });

/** Applies a fault only to batches of several calls. */
function onSeveralCalls(fault: BatchFault): BatchFault {
  return (answers) => (answers.length > 1 ? fault(answers) : { body: answers });
}

/** Reads a busy range, headers and the logs of each block, and returns how many calls each HTTP request held. */
async function readRange(create: (server: ChainServer) => Transport, fault?: BatchFault) {
  const chain = busyChain(BLOCKS);
  const server = await fixture.serve(chain);
  server.batchFault = fault;
  const source = fixture.open([create(server)]);
  await source.checkChainId();
  server.batches.length = 0;
  const [calls, requests] = [server.arrivals.length, server.requests];
  const range = await source.fetchRange({ from: 1, to: BLOCKS, strict: true, watch: WATCH });
  expect(range.headers.map(({ hash }) => hash)).toEqual(chain.blocks.slice(1).map(({ hash }) => hash));
  expect(range.logs.map(({ blockNumber }) => blockNumber)).toEqual(range.headers.map(({ number }) => number));
  return {
    batches: [...server.batches],
    calls: server.arrivals.length - calls,
    requests: server.requests - requests,
  };
}

describe('a viem transport with batches', () => {
  test.each<[string, (server: ChainServer) => Transport]>([
    ['http', batching],
    ['fallback', (server) => fallback([batching(server)])],
  ])('sends the headers and logs of a range in few requests (%s)', async (_, create) => {
    const { batches, calls, requests } = await readRange(create);
    expect(calls).toBe(2 * BLOCKS);
    expect(batches).toEqual([16, 16, 8, 16, 16, 8]);
    expect(requests).toBe(batches.length);
  });

  test('respects the configured batch size', async () => {
    const { batches, calls } = await readRange(({ url }) => http(url, { batch: { batchSize: 5 } }));
    expect(calls).toBe(2 * BLOCKS);
    expect(Math.max(...batches)).toBe(5);
  });

  test('without batches sends every call as a request', async () => {
    expect(await readRange(({ url }) => http(url))).toEqual({ batches: [], calls: 2 * BLOCKS, requests: 2 * BLOCKS });
  });

  test('matches answers by id, not by order', async () => {
    const { batches } = await readRange(batching, (answers) => ({ body: answers.toReversed() }));
    expect(batches.length).toBe(6);
  });

  test.each<[string, BatchFault]>([
    ['its number of calls', () => ({ body: refusal(-32000, 'batch limit 10 exceeded') })],
    ['its response size', () => ({ body: [refusal(-32003, 'response too large')] })],
    ['its request size', () => ({ body: {}, status: 413 })],
    ['no reason, with some answers missing', (answers) => ({ body: answers.slice(1) })],
  ])('repeats calls one by one when their batch was refused for %s', async (_, fault) => {
    const { batches, calls } = await readRange(batching, onSeveralCalls(fault));
    const refused = batches.filter((size) => size > 1).reduce((sum, size) => sum + size, 0);
    expect(refused).toBeGreaterThan(BLOCKS);
    expect(calls).toBe(2 * BLOCKS + refused);
  });

  test('throws the refusal of a node that does not support batches', async () => {
    const reading = readRange(batching, () => ({ body: refusal(-32601, 'batch requests are not supported') }));
    await expect(reading).rejects.toThrow('batch requests are not supported');
  });

  test('does not repeat a request after a rate limit', async () => {
    const server = await fixture.serve(busyChain(3));
    const client = createClient(batching(server), 0, HANG_TIMEOUT_MS);
    closing.push(() => client.close());
    server.misbehave({ do: { kind: 'http', status: 429 } });
    const asked = client.request('eth_getBlockByNumber', ['0x1', false], { mayBatch: true });
    await expect(asked).rejects.toMatchObject({ kind: 'rate-limited' });
    expect(server.requests).toBe(1);
  });

  test('rejects answers that the node returned under wrong ids', async () => {
    // The first answer comes twice and the last is missing, so that viem pairs every call with the answer before it.
    const shifted = onSeveralCalls((answers) => ({ body: [answers[0], ...answers.slice(0, -1)] }));
    await expect(readRange(batching, shifted)).rejects.toBeInstanceOf(RpcInconsistency);
  });

  test('does not batch calls whose answers cannot be checked against the request', async () => {
    const chain = busyChain(1);
    chain.call = (_, data) => data;
    const server = await fixture.serve(chain);
    const source = fixture.open([batching(server)]);
    const { signal } = new AbortController();
    const selectors = ['0x01', '0x02', '0x03'] as const;
    const called = await Promise.all(selectors.map((data) => source.call(ADDRESS, data, undefined, signal)));
    expect(called).toEqual(selectors);
    expect(server.batches.every((size) => size === 1)).toBe(true);
  });

  test('ends its batches when the caller aborts', async () => {
    const server = await fixture.serve(busyChain(BLOCKS));
    const source = fixture.open([batching(server)], { requestTimeoutMs: 2 * HANG_TIMEOUT_MS });
    await source.head();
    server.misbehave({ methods: ['eth_getBlockByNumber'], do: { kind: 'hang' } });
    const stop = new AbortController();
    const request = { from: 1, to: BLOCKS, strict: true, watch: WATCH };
    const failed = expect(source.fetchRange(request, stop.signal)).rejects.toMatchObject({ name: 'Aborted' });
    await until('the batch to be there', () => server.batches.some((size) => size > 1));
    stop.abort();
    await failed;
    await until('the connection of the batch to be closed', () => server.waiting === 0);
  });
});
