import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Aborted, ConfigError, type IndexerError, RpcError } from '../../indexer/kernel/errors.ts';
import { createClient } from '../../indexer/rpc/client.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import type { ChainServer, Fault } from '../kit/chain-server.ts';
import { ADDRESS, busyChain, log, OTHER_ADDRESS, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import { HANG_TIMEOUT_MS, until } from '../kit/until.ts';

const fixture = sourceFixture();

const outages: [string, Fault['do']][] = [
  ['JSON-RPC errors', { kind: 'error', code: -32603, message: 'Internal error' }],
  ['429', { kind: 'http', status: 429 }],
  ['502', { kind: 'http', status: 502 }],
  ['an error page with status 200', { kind: 'http', status: 200, body: '<html>sorry</html>' }],
  ['a JSON object without a result', { kind: 'http', status: 200, body: '{"message":"no"}' }],
  ['truncated JSON', { kind: 'truncate' }],
  ['no response', { kind: 'hang' }],
];

async function caught(promise: Promise<unknown>): Promise<IndexerError> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: IndexerError) => error,
  );
}

const urlOf = (server: ChainServer, transport: string) => (transport === 'ws' ? server.wsUrl : server.url);
/** Uses a short timeout only for requests that are never answered. */
const timeoutFor = ({ kind }: Fault['do']) => ({ requestTimeoutMs: kind === 'hang' ? 500 : HANG_TIMEOUT_MS });

describe.each(['http', 'ws'])('outages over %s', (transport) => {
  test.each(outages)(
    '%s: the request fails after a few attempts and succeeds once the outage is over',
    async (_, fault) => {
      const server = await fixture.serve(busyChain(3));
      const source = fixture.open([urlOf(server, transport)], timeoutFor(fault));
      await source.head();
      const heal = server.misbehave({ do: fault });
      const before = server.arrivals.length;
      const error = await caught(source.head());
      expect(error).toBeInstanceOf(RpcError);
      expect(error.retryable).toBe(true);
      expect(server.arrivals.length - before).toBeLessThanOrEqual(3);
      heal();
      await expect(source.head()).resolves.toMatchObject({ number: 3 });
    },
  );

  test.each(outages)('%s: a single failure is retried without an error', async (_, fault) => {
    const server = await fixture.serve(busyChain(3));
    const source = fixture.open([urlOf(server, transport)], timeoutFor(fault));
    server.misbehave({ do: fault, times: 1 });
    await expect(source.fetchRange({ from: 1, to: 3, strict: false, watch: WATCH })).resolves.toMatchObject({ to: 3 });
  });

  test('many callers of a failing endpoint send few requests together, and all succeed once it recovers', async () => {
    const server = await fixture.serve(busyChain(3));
    const source = fixture.open([urlOf(server, transport)], { attempts: 100 });
    await source.head();
    const heal = server.misbehave({ do: { kind: 'error', code: -32603, message: 'Internal error' } });
    const before = server.arrivals.length;
    const startedAt = performance.now();
    const callers = Array.from({ length: 20 }, () => source.head());
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    // Twenty requests are sent before the first one fails. Single attempts follow. The first of them is sent after at least 125 ms,
    // and each later pause is twice as long as the last one.
    const attempts = 1 + Math.log2(1 + (performance.now() - startedAt) / 125);
    expect(server.arrivals.length - before).toBeLessThanOrEqual(20 + attempts);
    heal();
    const heads = await Promise.all(callers);
    expect(heads.every((head) => head.number === 3)).toBe(true);
  });
});

describe.each(['http', 'ws'])('requests over %s', (transport) => {
  test('an abort ends a request at once while the node is silent', async () => {
    const server = await fixture.serve(busyChain(3));
    const source = fixture.open([urlOf(server, transport)], { requestTimeoutMs: 2 * HANG_TIMEOUT_MS });
    await source.head();
    server.misbehave({ do: { kind: 'hang' } });
    const stop = new AbortController();
    const asked = server.arrivals.length;
    const failed = caught(source.fetchRange({ from: 1, to: 3, strict: true, watch: WATCH }, stop.signal));
    await until('the node to be asked', () => server.arrivals.length > asked);
    stop.abort();
    expect(await failed).toBeInstanceOf(Aborted);
  });

  test('an abort ends a request at once during the cooldown of an endpoint', async () => {
    const server = await fixture.serve(busyChain(3));
    const source = fixture.open([urlOf(server, transport)], { attempts: 100 });
    server.misbehave({ do: { kind: 'error', code: -32603, message: 'Internal error' } });
    const stop = new AbortController();
    const failed = caught(source.head(stop.signal));
    await until('a few attempts', () => server.arrivals.length > 2);
    stop.abort();
    expect(await failed).toBeInstanceOf(Aborted);
  });

  test('a request whose connection breaks is retried', async () => {
    const server = await fixture.serve(busyChain(3));
    const source = fixture.open([urlOf(server, transport)], { requestTimeoutMs: 2 * HANG_TIMEOUT_MS });
    await source.head();
    server.misbehave({ methods: ['eth_getBlockByNumber'], do: { kind: 'hang' }, times: 1 });
    const head = source.head();
    await until('the request to be there', () => server.faults === 0);
    server.drop();
    await expect(head).resolves.toMatchObject({ number: 3 });
  });

  test('a revert is an answer and is not retried', async () => {
    const chain = busyChain(1);
    chain.call = () => {
      throw Object.assign(new Error('execution reverted'), { code: 3 });
    };
    const server = await fixture.serve(chain);
    const source = fixture.open([urlOf(server, transport)]);
    await expect(source.call(ADDRESS, '0x')).rejects.toMatchObject({ kind: 'rejected', retryable: false });
    expect(server.count('eth_call')).toBe(1);
  });

  test('reads calls, code and receipts', async () => {
    const chain = new Chain();
    chain.append({}, { logs: [log({ transaction: 1 }), log({ transaction: 1, address: OTHER_ADDRESS })] });
    chain.code.set(ADDRESS, 2);
    chain.call = (to, data, number) => (to === ADDRESS ? `0x${data.slice(2)}0${number}` : '0x');
    const server = await fixture.serve(chain);
    const source = fixture.open([urlOf(server, transport)]);
    expect(await source.call(ADDRESS, '0xab', 1)).toBe('0xab01');
    expect(await source.call(ADDRESS, '0xab')).toBe('0xab02');
    expect([await source.codeAt(ADDRESS, 1), await source.codeAt(ADDRESS, 2)]).toEqual([false, true]);
    const { transactionHash, blockHash } = chain.logs()[0]!;
    const receipt = await source.receipt(transactionHash, blockHash);
    expect(receipt).toMatchObject({ gasUsed: 21_000n, effectiveGasPrice: 1_000_000_000n });
    expect(receipt.logs.map((one) => one.address)).toEqual([ADDRESS, OTHER_ADDRESS]);
    const elsewhere = source.receipt(transactionHash, chain.block(1)!.hash);
    await expect(elsewhere).rejects.toMatchObject({ kind: 'unknown-block' });
  });

  test('an answer above the size limit is rejected', async () => {
    const chain = busyChain(1);
    chain.call = () => `0x${'00'.repeat(3 * 1024 * 1024)}`;
    const server = await fixture.serve(chain);
    const source = fixture.open([urlOf(server, transport)], { requestTimeoutMs: HANG_TIMEOUT_MS });
    await expect(source.call(ADDRESS, '0x')).rejects.toMatchObject({ kind: 'rejected' });
  });
});

test('waits for the time in Retry-After', async () => {
  const server = await fixture.serve(busyChain(3));
  const source = fixture.open([server.url]);
  await source.head();
  server.misbehave({ do: { kind: 'http', status: 429, headers: { 'retry-after': '1' } }, times: 1 });
  const startedAt = performance.now();
  await source.head();
  expect(performance.now() - startedAt).toBeGreaterThan(990);
});

test('a range that times out is narrowed', async () => {
  const server = await fixture.serve(busyChain(100));
  const source = fixture.open([server.url], { requestTimeoutMs: 2_000 });
  await source.head();
  server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'hang' }, times: 1 });
  const range = await source.fetchRange({ from: 1, to: 100, strict: false, watch: WATCH });
  expect(range.logs.length).toBe(100);
  expect(fixture.notices).toContainEqual(
    expect.objectContaining({ event: 'range narrowed', detail: '100 to 50 blocks' }),
  );
});

test('a single block whose logs are always truncated is read through its receipts', async () => {
  const server = await fixture.serve(busyChain(8));
  const source = fixture.open([server.url], { attempts: 10 });
  server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'truncate' } });
  const range = await source.fetchRange({ from: 4, to: 4, strict: false, watch: WATCH });
  expect(range.logs.length).toBe(1);
});

test.each([502, 503])(
  'a message about response size narrows the range whatever the HTTP status (%s)',
  async (status) => {
    const server = await fixture.serve(busyChain(40));
    const source = fixture.open([server.url]);
    const body = 'backend response too large';
    server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'http', status, body, overBytes: 2_000 } });
    const range = await source.fetchRange({ from: 1, to: 40, strict: false, watch: WATCH });
    expect(range.logs.length).toBe(40);
  },
);

test('a block that is refused as an invalid request because it is too large is read through its receipts', async () => {
  const server = await fixture.serve(busyChain(40));
  const source = fixture.open([server.url]);
  server.view.cap = ({ from, to }) => {
    if (from <= 20 && 20 <= to) throw new RpcFault(-32602, 'the filter matches more entries than your plan serves');
  };
  const range = await source.fetchRange({ from: 1, to: 40, strict: false, watch: WATCH });
  expect(range.logs.length).toBe(40);
  // One request was for the block. The other one asked whether the endpoint still has receipts of the oldest block.
  expect(server.count('eth_getBlockReceipts')).toBe(2);
});

test('returns the blocks that were read before an outage', async () => {
  const server = await fixture.serve(busyChain(40));
  const source = fixture.open([server.url]);
  server.view.cap = ({ to, blocks }) => {
    if (blocks > 20) throw new RpcFault(-32005, 'block range is too wide');
    if (to <= 20) return;
    server.misbehave({ do: { kind: 'http', status: 502 } });
    throw new RpcFault(-32000, 'internal trouble');
  };
  const range = await source.fetchRange({ from: 1, to: 40, strict: false, watch: WATCH });
  expect(range).toMatchObject({ from: 1, to: 20 });
});

describe('secrets', () => {
  const key = 'k3yk3yk3yk3yk3yk3yk3yk3y';
  const secrets = [key, 'alice', 's3cr3t', 'q-value', btoa('alice:s3cr3t')];

  /** Collects everything that a log line may show of an error. */
  function shown(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    const own = Object.getOwnPropertyNames(error).map((name) => JSON.stringify(Reflect.get(error, name)) ?? '');
    return [String(error), error.stack, ...own, error.cause === undefined ? '' : shown(error.cause)].join('\n');
  }

  /** Starts a server that repeats the URL and headers of a request in its error. */
  async function echo(status: number): Promise<Server> {
    const server = createServer((request, response) => {
      const { url, headers } = request;
      response.writeHead(status, { 'content-type': 'application/json' });
      const message = `no such project: http://${headers.host}${url} ${url} ${headers.authorization} alice s3cr3t`;
      response.end(JSON.stringify({ id: 1, error: { code: -32000, message } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  const paths = `/v3/${key}?apikey=q-value`;

  test.each([200, 401, 500])('that the node repeats (status %s) do not leak', async (status) => {
    const server = await echo(status);
    const { port } = server.address() as AddressInfo;
    const endpoint = createClient(`http://alice:s3cr3t@127.0.0.1:${port}${paths}`, 3, HANG_TIMEOUT_MS);
    const error = await caught(endpoint.request('eth_chainId', []));
    server.close();
    expect(endpoint.name).toBe(`127.0.0.1:${port}#3`);
    expect(error.message).toContain('no such project');
    for (const secret of secrets) expect(shown(error)).not.toContain(secret);
  });

  test.each(['http', 'https', 'ws', 'wss'])('of a %s endpoint that is unreachable do not leak', async (scheme) => {
    const endpoint = createClient(`${scheme}://alice:s3cr3t@127.0.0.1:1${paths}`, 0, HANG_TIMEOUT_MS);
    const error = await caught(endpoint.request('eth_chainId', []));
    expect(error).toMatchObject({ name: 'RpcError', kind: 'unavailable' });
    for (const secret of secrets) expect(shown(error)).not.toContain(secret);
    endpoint.close();
  });

  test('in the host name are masked', () => {
    expect(createClient(`https://${key}.rpc.example.org/`, 0, 500).name).toBe('***.rpc.example.org#0');
  });

  test('an invalid URL is not repeated', () => {
    expect(() => createClient(`ftp://${key}`, 1, 500)).toThrow(ConfigError);
    expect(() => createClient(`ftp://${key}`, 1, 500)).not.toThrow(key);
  });
});
