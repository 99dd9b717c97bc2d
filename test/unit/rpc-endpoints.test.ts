import { createServer, type IncomingHttpHeaders, request as requestHttp, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { custom, fallback, http, type Transport, webSocket } from 'viem';
import { afterEach, describe, expect, test } from 'vitest';
import type { RpcEndpoint } from '../../indexer/config/define.ts';
import { resolveConfig } from '../../indexer/config/resolve.ts';
import { secretsOf, secretsOfEnvironment } from '../../indexer/config/secrets.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { createRedact } from '../../indexer/observability/redact.ts';
import { createClient } from '../../indexer/rpc/client.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { ADDRESS, busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('headers', () => {
  const KEY = 'h3ader-k3y-of-the-provider';

  /** Starts a server that repeats the headers of a request in its error. */
  async function echo(): Promise<{ readonly url: string; readonly seen: IncomingHttpHeaders[] }> {
    const seen: IncomingHttpHeaders[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers);
      const message = `unknown key ${request.headers['x-api-key']} or ${request.headers.authorization?.split(' ')[1]}`;
      response.end(JSON.stringify({ id: 1, error: { code: -32000, message } }));
    });
    return { url: `http://127.0.0.1:${await listen(server)}`, seen };
  }

  test('are sent with every request, and their values appear in no error and no log', async () => {
    const { url, seen } = await echo();
    const endpoint = { url, headers: { 'x-api-key': KEY, authorization: `Bearer ${KEY}2` } };
    const client = createClient(endpoint, 0, 1_000);
    closing.push(() => client.close());
    const error = await client.request('eth_chainId', []).catch((thrown: unknown) => thrown as Error);
    expect(seen[0]).toMatchObject(endpoint.headers);
    expect(String(error)).toContain('unknown key [redacted] or [redacted]');
    const settings = { chains: { 1: { rpcUrls: [endpoint] } } };
    const config = resolveConfig(settings, 'config/local.ts', {}, ['chains']);
    let out = '';
    const sink = { write: (line: string) => (out += line) };
    const log = createLogger({ level: 'info', redact: createRedact(secretsOf(config)), pretty: false, sink });
    log.info({ endpoint, value: KEY }, `the key ${KEY}2`);
    expect(out).toContain('[redacted]');
    expect(out).not.toContain(KEY);
  });

  test('are sent in the handshake of a WebSocket', async () => {
    let seen: IncomingHttpHeaders = {};
    const server = createServer();
    server.on('upgrade', (request, socket) => {
      seen = request.headers;
      socket.destroy();
    });
    const client = createClient(
      { url: `ws://127.0.0.1:${await listen(server)}`, headers: { 'x-api-key': KEY } },
      0,
      1_000,
    );
    closing.push(() => client.close());
    await expect(client.request('eth_chainId', [])).rejects.toMatchObject({ kind: 'unavailable' });
    expect(seen['x-api-key']).toBe(KEY);
  });
});

type Provider = { request(args: { method: string; params?: unknown }): Promise<unknown> };

/** Returns an EIP-1193 provider over a chain server. */
function providerOf(server: ChainServer): Provider {
  return {
    async request({ method, params }) {
      const response = await fetch(server.url, {
        method: 'POST',
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      });
      const { result, error } = (await response.json()) as { result?: unknown; error?: object };
      if (error !== undefined) throw Object.assign(new Error(), error);
      return result;
    },
  };
}

const transports: [string, (server: ChainServer) => Transport][] = [
  ['http', ({ url }) => http(url)],
  ['custom', (server) => custom(providerOf(server))],
  ['fallback', ({ url }) => fallback([http('http://127.0.0.1:1'), http(url)])],
  ['webSocket', ({ wsUrl }) => webSocket(wsUrl, { reconnect: false, keepAlive: false })],
];

describe.each(transports)('the viem transport %s', (key, create) => {
  test.each([true, false])('reads a whole range (strict: %s)', async (strict) => {
    const server = await fixture.serve(busyChain(50));
    const source = fixture.open([create(server)]);
    const range = await source.fetchRange({ from: 1, to: 50, strict, watch: WATCH });
    expect(range.logs.length).toBe(50);
    expect(source.endpoints()).toEqual([`${key}#0`]);
    expect(server.batches).toEqual([]);
  });

  test('a refused range is narrowed to the hint of the provider', async () => {
    const server = await fixture.serve(busyChain(50));
    server.view.cap = ({ blocks }) => {
      if (blocks > 20) throw new RpcFault(-32005, 'eth_getLogs is limited to a 20 blocks range');
    };
    const source = fixture.open([create(server)]);
    const range = await source.fetchRange({ from: 1, to: 50, strict: false, watch: WATCH });
    expect(range.logs.length).toBe(50);
    expect(fixture.notices).toContainEqual(expect.objectContaining({ detail: '50 to 20 blocks' }));
  });

  test('a call that reverts is rejected and not retried', async () => {
    const chain = busyChain(1);
    chain.call = () => {
      throw new RpcFault(3, 'execution reverted');
    };
    const server = await fixture.serve(chain);
    const source = fixture.open([create(server)]);
    await expect(source.call(ADDRESS, '0x')).rejects.toMatchObject({ kind: 'rejected', context: { code: 3 } });
    expect(server.count('eth_call')).toBe(1);
  });

  test('heads arrive as the chain grows', async () => {
    const chain = busyChain(3);
    const server = await fixture.serve(chain);
    const stop = new AbortController();
    const heads: number[] = [];
    for await (const { number } of fixture.open([create(server)]).heads(stop.signal)) {
      heads.push(number);
      if (number === 4) stop.abort();
      setTimeout(() => chain.head.number < 4 && chain.mine(1), 50);
    }
    expect(heads).toEqual([3, 4]);
    const isSubscribed = fixture.notices.some(({ event }) => event === 'subscribed');
    expect(isSubscribed).toBe(key === 'webSocket');
  });
});

test.each([
  ['429', 429, 'rate-limited'],
  ['502', 502, 'unavailable'],
])('HTTP status %s of a viem transport is classified', async (_, status, kind) => {
  const server = await fixture.serve(busyChain(3));
  const source = fixture.open([http(`${server.url}/v2/k3yk3yk3yk3y`)]);
  await source.head();
  server.misbehave({ do: { kind: 'http', status, body: 'no k3yk3yk3yk3y' } });
  const error = await source.head().catch((thrown: unknown) => thrown as Error);
  expect(error).toMatchObject({ kind, context: { status } });
  expect(String(error)).not.toContain('k3yk3yk3yk3y');
});

test('a viem transport that does not respond times out, and its request can be aborted', async () => {
  const never: Provider = { request: () => new Promise(() => undefined) };
  const client = createClient(custom(never), 0, 200);
  await expect(client.request('eth_chainId', [])).rejects.toThrow('timed out');
  const stop = new AbortController();
  const request = client.request('eth_chainId', [], { signal: stop.signal });
  stop.abort();
  await expect(request).rejects.toMatchObject({ name: 'Aborted' });
});

describe('the proxy named by the environment', () => {
  /** Starts a proxy that forwards requests, opens tunnels and records their targets. */
  async function proxy(): Promise<{ readonly url: string; readonly targets: string[] }> {
    const targets: string[] = [];
    const server = createServer((request, response) => {
      targets.push(request.url ?? '');
      const onward = requestHttp(request.url ?? '', { method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    server.on('connect', (request, client) => {
      targets.push(`CONNECT ${request.url}`);
      const [host, port] = (request.url ?? '').split(':');
      const onward = connect(Number(port), host ?? '', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.pipe(client);
        client.pipe(onward);
      });
      onward.on('error', () => client.destroy());
      client.on('error', () => onward.destroy());
    });
    return { url: `http://alice:pr0xy-s3cret@127.0.0.1:${await listen(server)}`, targets };
  }

  function chainConfig(rpcUrls: readonly RpcEndpoint[], env: Record<string, string>) {
    const [chain] = resolveConfig({ chains: { 31337: { rpcUrls } } }, 'config/local.ts', env, ['chains']).chains;
    return chain!;
  }

  test.each(['HTTP_PROXY', 'http_proxy'])('forwards plain HTTP requests (%s)', async (variable) => {
    const server = await fixture.serve(busyChain(5));
    const { url, targets } = await proxy();
    const source = fixture.open([server.url], { proxy: chainConfig([server.url], { [variable]: url }).proxy });
    expect((await source.fetchRange({ from: 1, to: 5, strict: true, watch: WATCH })).logs.length).toBe(5);
    expect(targets.every((target) => target.includes(`127.0.0.1:${server.port}`))).toBe(true);
    expect(targets.length).toBeGreaterThan(0);
  });

  test('opens a tunnel to an endpoint over TLS', async () => {
    const { url, targets } = await proxy();
    for (const scheme of ['https', 'wss']) {
      const endpoint = `${scheme}://127.0.0.1:1`;
      const client = createClient(endpoint, 0, 1_000, chainConfig([endpoint], { HTTPS_PROXY: url }).proxy);
      closing.push(() => client.close());
      await expect(client.request('eth_chainId', [])).rejects.toMatchObject({ kind: 'unavailable' });
    }
    expect(targets).toEqual(['CONNECT 127.0.0.1:1', 'CONNECT 127.0.0.1:1']);
  });

  test('is not used for the hosts of NO_PROXY', async () => {
    const server = await fixture.serve(busyChain(5));
    const { url, targets } = await proxy();
    const env = { HTTP_PROXY: url, NO_PROXY: '127.0.0.1' };
    const source = fixture.open([server.url], { proxy: chainConfig([server.url], env).proxy });
    await source.head();
    expect(targets).toEqual([]);
  });

  test('does not reveal its password in a log', () => {
    const env = { HTTP_PROXY: 'http://alice:pr0xy-s3cret@proxy.example:3128', RPC_URL_1: 'http://one.example' };
    const config = resolveConfig({}, 'config/local.ts', env, ['chains']);
    for (const secrets of [secretsOf(config), secretsOfEnvironment(env)]) {
      expect(createRedact(secrets)('alice pr0xy-s3cret')).toBe('[redacted] [redacted]');
    }
  });
});

describe('endpoints in a configuration file', () => {
  const resolve = (rpcUrls: unknown) => () =>
    resolveConfig({ chains: { 1: { rpcUrls } } }, 'config/local.ts', {}, ['chains']);

  test('are URLs, objects with headers, and viem transports', () => {
    const rpcUrls = [
      'wss://a.example',
      { url: 'https://b.example', headers: { 'x-key': 'v' }, callsPerSecond: 25, computeUnitsPerSecond: 500 },
      http('https://c.example'),
    ];
    expect(resolve(rpcUrls)().chains[0]?.rpcUrls).toEqual(rpcUrls);
  });

  test.each<[string, unknown]>([
    ['config/local.ts chains.1.rpcUrls.url: must be a URL', { headers: {} }],
    [
      'config/local.ts chains.1.rpcUrls.headers.a b: is not a valid HTTP header',
      { url: 'http://x', headers: { 'a b': 'v' } },
    ],
    [
      'config/local.ts chains.1.rpcUrls.headers.a: is not a valid HTTP header',
      { url: 'http://x', headers: { a: 'hunter2\n' + 'b' } },
    ],
    [
      'config/local.ts chains.1.rpcUrls.callsPerSecond: must be a whole number from 1',
      { url: 'http://x', callsPerSecond: 0 },
    ],
    [
      'config/local.ts chains.1.rpcUrls.computeUnitsPerSecond: must be a whole number',
      { url: 'http://x', computeUnitsPerSecond: 0.5 },
    ],
    ["config/local.ts chains.1.rpcUrls: unknown key 'key'", { url: 'http://x', key: 'hunter2' }],
    ['config/local.ts chains.1.rpcUrls: must be a URL, an object', null],
    ['config/local.ts chains.1.rpcUrls: viem refuses this transport', http()],
    ['config/local.ts chains.1.rpcUrls: must be a URL, an object', () => ({})],
  ])('are refused when wrong, without showing secrets: %s', (message, endpoint) => {
    expect(resolve([endpoint])).toThrow(message);
    expect(resolve([endpoint])).not.toThrow('hunter2');
  });

  test('are redacted with their URLs and headers, also inside a viem transport', () => {
    const inner = http('https://a.example/v2/innerkey1', { fetchOptions: { headers: { 'x-key': 'inner-header' } } });
    const redact = createRedact(secretsOf(resolve([fallback([inner, http('https://b.example/v2/innerkey2')])])()));
    expect(redact('innerkey1 innerkey2 inner-header')).toBe('[redacted] [redacted] [redacted]');
  });
});
