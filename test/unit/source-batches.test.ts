import { describe, expect, test } from 'vitest';
import type { BlockHeader } from '../../indexer/kernel/chain.ts';
import { createBatchSize } from '../../indexer/rpc/batch-size.ts';
import { BatchRejected, createClient } from '../../indexer/rpc/client.ts';
import { fittingBatch } from '../../indexer/rpc/refusals.ts';
import type { BatchFault, ChainServer } from '../kit/chain-server.ts';
import { addressOf } from '../kit/event-logs.ts';
import { busyChain, log, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import { HANG_TIMEOUT_MS, until } from '../kit/until.ts';

const fixture = sourceFixture();
const urlOf = (server: ChainServer, transport: string) => (transport === 'ws' ? server.wsUrl : server.url);
const error = (code: number, message: string) => ({ jsonrpc: '2.0', id: null, error: { code, message } });
const total = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0);

/** Reads a busy range twice from a server with this batch fault. Returns its batch sizes and number of calls for each time. */
async function readTwice(transport: string, fault?: BatchFault) {
  const chain = busyChain(40);
  const server = await fixture.serve(chain);
  server.batchFault = fault;
  const source = fixture.open([urlOf(server, transport)]);
  const seen: { readonly batches: readonly number[]; readonly calls: number }[] = [];
  for (let time = 0; time < 2; time++) {
    server.batches.length = 0;
    const before = server.arrivals.length;
    const range = await source.fetchRange({ from: 1, to: 40, strict: true, watch: WATCH });
    expect(range.headers.map((header) => header.hash)).toEqual(chain.blocks.slice(1).map((block) => block.hash));
    expect(range.logs.map((log) => log.blockNumber)).toEqual(range.headers.map((header) => header.number));
    seen.push({ batches: [...server.batches], calls: server.arrivals.length - before });
  }
  return { seen, server, source };
}

describe.each(['http', 'ws'])('batches over %s', (transport) => {
  test('headers are read in one batch, and logs by block hash in another', async () => {
    const { seen } = await readTwice(transport);
    expect(seen[1]).toEqual({ batches: [40, 40], calls: 80 });
  });

  test('below finalized, the headers of blocks with logs are read in batches', async () => {
    const server = await fixture.serve(busyChain(250));
    const source = fixture.open([urlOf(server, transport)]);
    const range = await source.fetchRange({ from: 1, to: 250, strict: false, watch: WATCH });
    expect(range.headers.length).toBe(250);
    expect(server.batches).toEqual([100, 100, 50]);
  });

  test('answers are matched by id, not by order', async () => {
    const { seen } = await readTwice(transport, (answers) => ({ body: answers.toReversed() }));
    expect(seen[1]).toEqual({ batches: [40, 40], calls: 80 });
  });

  test.each<[string, BatchFault]>([
    ['with one error object', () => ({ body: error(-32600, 'batch requests are not supported') })],
    ['with one error in an array', () => ({ body: [error(-32600, 'Invalid request')] })],
    ['with one answer outside an array', (answers) => ({ body: answers[0] })],
    ['without one of the answers', (answers) => ({ body: answers.slice(1) })],
    ['with one answer twice', (answers) => ({ body: [...answers.slice(1), answers[1]] })],
    ['with one answer too many', (answers) => ({ body: [...answers, answers[0]] })],
    [
      'with an unknown id',
      (answers) => ({ body: answers.map((one, at) => (at === 3 ? { ...one, id: one.id + 1e6 } : one)) }),
    ],
    ['without ids', (answers) => ({ body: answers.map(({ id: _, ...one }) => one) })],
  ])('after a batch answered %s, calls go one by one and no batch is sent again', async (_, fault) => {
    const { seen } = await readTwice(transport, fault);
    expect(seen.map(({ batches }) => batches)).toEqual([[40], []]);
  });

  test('a batch that is too large is repeated in batches that fit, and later batches keep that size', async () => {
    const { seen } = await readTwice(transport, (answers) => ({
      body: answers.length > 12 ? error(-32000, `batch limit 12 exceeded: ${answers.length} requests given`) : answers,
    }));
    const fitting = [12, 12, 12, 4];
    expect(seen.map(({ batches }) => batches)).toEqual([
      [40, ...fitting, ...fitting],
      [...fitting, ...fitting],
    ]);
  });

  test('calls that a node refuses inside a batch for its response size are repeated alone', async () => {
    const { seen } = await readTwice(transport, (answers) => ({
      body: answers.map((one, at) => (at < 30 ? one : { ...error(-32003, 'response too large'), id: one.id })),
    }));
    expect(seen[0]).toEqual({ batches: [40, 40], calls: 101 });
    expect(fixture.notices).toEqual([]);
  });
});

describe.each(['http', 'ws'])('failures of batches over %s', (transport) => {
  test('a call that fails in a batch fails as it would alone', async () => {
    const server = await fixture.serve(busyChain(40));
    const source = fixture.open([urlOf(server, transport)]);
    server.view.lag = 1;
    const reading = source.fetchRange({ from: 1, to: 40, strict: true, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ name: 'RpcError', kind: 'unknown-block' });
    expect(fixture.notices).toEqual([]);
  });

  test('one internal error among the answers of a batch counts as a failed attempt', async () => {
    let times = 0;
    const { seen } = await readTwice(transport, (answers) => ({
      body:
        times++ > 0 ? answers : answers.map((one, at) => (at === 7 ? { ...error(-32603, 'oops'), id: one.id } : one)),
    }));
    expect(seen[1]?.batches).toEqual([40, 40]);
    expect(fixture.notices.map(({ event }) => event)).toEqual(['method failed', 'method recovered']);
  });

  test('logs returned for another block of the batch are an inconsistency', async () => {
    const server = await fixture.serve(busyChain(4));
    server.batchFault = ([first, second, ...rest]) => ({
      body: [{ ...first, result: second?.result }, { ...second, result: first?.result }, ...rest],
    });
    const reading = fixture.open([urlOf(server, transport)]).fetchRange({ from: 1, to: 4, strict: true, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ name: 'RpcInconsistency' });
  });

  test('a batch that is refused for the rate is sent again in halves, and nothing else is', async () => {
    let times = 0;
    const { seen } = await readTwice(transport, (answers) => ({
      body: times++ > 0 ? answers : error(-32005, 'too many requests'),
    }));
    expect(seen[0]?.batches.slice(0, 3)).toEqual([40, 20, 20]);
    expect(seen.map(({ batches }) => total(batches))).toEqual([40 + 80, 80]);
    expect(fixture.notices.map(({ event }) => event)).toEqual(['endpoint failed', 'endpoint recovered']);
  });

  test('of a batch that is refused for the rate in part, only that part is sent again', async () => {
    let times = 0;
    const { seen } = await readTwice(transport, (answers) => ({
      body: answers.map((one, at) =>
        times++ < 40 && at >= 33 ? { ...error(-32005, 'too many requests'), id: one.id } : one,
      ),
    }));
    expect(seen[0]?.batches.slice(0, 2)).toEqual([40, 7]);
    expect(seen.map(({ batches }) => total(batches))).toEqual([7 + 80, 80]);
  });

  test('an endpoint that keeps refusing for the rate is given up after a few attempts', async () => {
    const server = await fixture.serve(busyChain(40));
    const source = fixture.open([urlOf(server, transport)], { attempts: 1 });
    await source.head();
    server.batchFault = () => ({ body: error(-32005, 'too many requests') });
    const reading = source.fetchRange({ from: 1, to: 40, strict: true, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ name: 'RpcError', kind: 'rate-limited' });
    expect(server.batches.length).toBeGreaterThan(1);
    expect(server.batches.length).toBeLessThan(20);
  });

  test('a node that answers a batch with status 500 is asked one by one after a failed attempt', async () => {
    const { seen } = await readTwice(transport, () => ({ status: 500, body: 'oops' }));
    expect(seen.map(({ batches }) => batches)).toEqual([[40], []]);
  });

  test('an abort ends a batch that gets no answer', async () => {
    const server = await fixture.serve(busyChain(40));
    const source = fixture.open([urlOf(server, transport)], { requestTimeoutMs: 2 * HANG_TIMEOUT_MS });
    await source.head();
    server.misbehave({ methods: ['eth_getBlockByNumber'], do: { kind: 'hang' } });
    const stop = new AbortController();
    const asked = server.batches.length;
    const reading = source.fetchRange({ from: 1, to: 40, strict: true, watch: WATCH }, stop.signal);
    reading.catch(() => undefined);
    await until('the batch to be asked', () => server.batches.length > asked);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ name: 'Aborted' });
  });
});

test.each([400, 404, 405])('over HTTP, status %s for a batch switches to single calls', async (status) => {
  const server = await fixture.serve(busyChain(20));
  server.batchFault = () => ({ status, body: 'no' });
  const source = fixture.open([server.url]);
  const read = () => source.fetchRange({ from: 1, to: 20, strict: true, watch: WATCH });
  for (let time = 0; time < 2; time++) expect((await read()).logs.length).toBe(20);
  expect(server.batches).toEqual([20]);
  expect(fixture.notices).toEqual([]);
});

test('over HTTP, status 413 for a batch makes batches smaller', async () => {
  const server = await fixture.serve(busyChain(20));
  server.batchFault = (answers) => (answers.length > 10 ? { status: 413, body: 'no' } : { body: answers });
  const range = await fixture.open([server.url]).fetchRange({ from: 1, to: 20, strict: true, watch: WATCH });
  expect(range.logs.length).toBe(20);
  expect(server.batches).toEqual([20, 10, 10, 10, 10]);
});

test('a batch whose answer exceeds the size limit is rejected with the number of calls that fit', async () => {
  const chain = busyChain(1);
  chain.call = () => `0x${'00'.repeat(3 * 1024 * 1024)}`;
  const server = await fixture.serve(chain);
  const endpoint = createClient(server.url, 0, HANG_TIMEOUT_MS);
  const call = { method: 'eth_call', params: [{ to: WATCH.addresses[0], data: '0x' }] };
  const refused = await endpoint.batch!(new Array(4).fill(call)).catch((refusal: unknown) => refusal);
  endpoint.close();
  expect(refused).toBeInstanceOf(BatchRejected);
  expect(refused).toMatchObject({ fittingCalls: 2 });
});

test.each([
  ['batch limit 100 exceeded (can increase by --rpc.batch.limit). Requested batch of size: 142', 142, 100],
  ['Batch of more than 3 requests are not allowed on free tier', 50, 3],
  ['batch too large', 50, 25],
  ['response too large', 3, 1],
  ['batch requests are not supported', 50, undefined],
  ['too many requests', 50, undefined],
])('%j for a batch of %s calls: %s fit', (text, calls, fitting) => {
  expect(fittingBatch(text, calls)).toBe(fitting);
});

test('batches shrink when they fail, grow again after a minute, and stay single calls where batches are unsupported', () => {
  let now = 0;
  const size = createBatchSize(() => now);
  size.failed(100);
  expect(size.calls()).toBe(1);
  now += 60_000;
  expect(size.calls()).toBe(8);
  size.failed(8);
  now += 60_000;
  expect(size.calls()).toBe(1);
  now += 60_000;
  size.accepted(size.calls());
  expect(size.calls()).toBe(16);
  size.failed(16);
  size.unsupported();
  expect(size.calls()).toBe(8);
  now += 60_000;
  for (const calls of [8, 16, 32, 64]) size.accepted(calls);
  expect(size.calls()).toBe(100);
  const unsupported = createBatchSize(() => now);
  unsupported.unsupported();
  now += 1e9;
  expect(unsupported.calls()).toBe(1);
});

describe('at the head', () => {
  // The bloom is so full that it cannot rule out watched logs in the block.
  const others = [log({ topics: [] }), ...Array.from({ length: 500 }, (_, at) => log({ address: addressOf(at) }))];

  test.each([
    ['http', [log()], 1],
    ['ws', [log()], 1],
    ['ws', others, 0],
  ] as const)(
    'a block whose header was announced costs one request for its logs (%s)',
    async (transport, logs, ours) => {
      const chain = busyChain(5);
      const server = await fixture.serve(chain);
      const source = fixture.open([urlOf(server, transport)]);
      const stop = new AbortController();
      let anchor: BlockHeader | undefined;
      for await (const tip of source.heads(stop.signal)) {
        if (anchor !== undefined) {
          const [before, headers] = [server.arrivals.length, server.count('eth_getBlockByNumber')];
          const { number } = tip;
          const range = await source.fetchRange({ from: number, to: number, strict: true, watch: WATCH, anchor, tip });
          expect(range.headers).toEqual([tip]);
          expect(range.logs.length).toBe(ours);
          if (transport === 'ws') expect(server.arrivals.length - before).toBe(1);
          if (transport === 'ws') expect(server.count('eth_getBlockByNumber')).toBe(headers);
        }
        if (tip.number === 8) stop.abort();
        anchor = tip;
        setTimeout(() => chain.append({ logs }), 10);
      }
    },
  );

  test('an announced header without its bloom is read again', async () => {
    const server = await fixture.serve(busyChain(5));
    const source = fixture.open([server.url]);
    const tip = { ...(await source.head()), logsBloom: '0x' as const };
    const range = await source.fetchRange({ from: 5, to: 5, strict: true, watch: WATCH, tip });
    expect(range.headers[0]?.logsBloom.length).toBe(514);
  });

  test('an empty answer is not trusted when the node may lack the block and the bloom is saturated', async () => {
    const chain = busyChain(5);
    const [ahead, behind] = [await fixture.serve(chain), await fixture.serve(chain)];
    Object.assign(behind.view, { lag: 1, emptyForUnknownHash: true });
    const tip = { ...(await fixture.open([ahead.url]).head()), logsBloom: `0x${'f'.repeat(512)}` as const };
    const reading = fixture.open([behind.url]).fetchRange({ from: 5, to: 5, strict: true, watch: WATCH, tip });
    await expect(reading).rejects.toMatchObject({ kind: 'unknown-block' });
  });
});
