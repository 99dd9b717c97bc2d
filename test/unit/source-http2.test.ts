import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { constants, type Http2ServerResponse } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createClient } from '../../indexer/rpc/client.ts';
import { TcpProxy } from '../kit/proxy.ts';
import { busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';
import {
  CERTIFICATE,
  CERTIFICATE_FILE,
  type Interruption,
  type OfferedVersions,
  TlsServer,
} from '../kit/tls-server.ts';
import { HANG_TIMEOUT_MS, until } from '../kit/until.ts';

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
const BLOCKS = 40;
const fixture = sourceFixture();
const trusted = getCACertificates('default');
beforeAll(() => setDefaultCACertificates([...trusted, CERTIFICATE]));
afterAll(() => setDefaultCACertificates(trusted));

async function serve(offer?: OfferedVersions) {
  const chain = busyChain(BLOCKS);
  const answers = await fixture.serve(chain);
  const server = await TlsServer.start(answers, offer);
  onTestFinished(() => server.close());
  return { chain, answers, server };
}

function clientOf({ url }: { readonly url: string }, timeoutMs = HANG_TIMEOUT_MS) {
  const client = createClient(url, 0, timeoutMs);
  onTestFinished(() => client.close());
  return client;
}

const whole = { from: 1, to: BLOCKS, strict: true, watch: WATCH };

describe('an endpoint over TLS', () => {
  test.each<[string, OfferedVersions, string]>([
    ['that offers HTTP/2 and HTTP/1.1', 'both', '2.0'],
    ['that leaves the choice to the client', 'what the client prefers', '2.0'],
    ['that offers HTTP/2 alone', 'h2', '2.0'],
    ['that offers HTTP/1.1 alone', 'http/1.1', '1.1'],
  ])('%s is read over the best version that it offers', async (_, offered, version) => {
    const { chain, server } = await serve(offered);
    const range = await fixture.open([server.url]).fetchRange(whole);
    expect(range.headers.map(({ hash }) => hash)).toEqual(chain.blocks.slice(1).map(({ hash }) => hash));
    expect(range.logs.length).toBe(BLOCKS);
    expect(new Set(server.versions)).toEqual(new Set([version]));
  });

  test('carries concurrent requests over one connection', async () => {
    const { server, answers } = await serve();
    answers.misbehave({ methods: ['eth_chainId'], do: { kind: 'latency', ms: 200 } });
    const client = clientOf(server);
    await Promise.all(Array.from({ length: 20 }, () => client.request('eth_chainId', [])));
    expect(server.versions).toEqual(new Array(20).fill('2.0'));
    expect(server.connections).toBe(1);
  });

  test.each<OfferedVersions>(['h2', 'what the client prefers'])(
    'is read over HTTP/2 through a proxy (%s)',
    async (offer) => {
      const { server } = await serve(offer);
      const proxy = createServer().on('connect', ({ url }, client) => {
        const onward = connect(Number(new URL(`http://${url}`).port), '127.0.0.1', () => {
          client.write('HTTP/1.1 200 OK\r\n\r\n');
          onward.pipe(client).pipe(onward);
        });
        for (const [from, to] of [[client, onward] as const, [onward, client] as const])
          from.on('error', () => to.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void proxy.close());
      const httpsProxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const client = createClient(server.url, 0, HANG_TIMEOUT_MS, { httpsProxy });
      onTestFinished(() => client.close());
      expect(await client.request('eth_chainId', [])).toBe('0x7a69');
      expect(server.versions).toEqual(['2.0']);
    },
  );

  test('with an untrusted certificate gets no request', async () => {
    const { server } = await serve();
    setDefaultCACertificates(trusted);
    onTestFinished(() => setDefaultCACertificates([...trusted, CERTIFICATE]));
    const asked = clientOf(server).request('eth_chainId', []);
    await expect(asked).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
    expect(server.versions).toEqual([]);
  });
});

/** Returns an interruption that sends the first half of an answer and then breaks off. */
function halfway(breakOff: (response: Http2ServerResponse) => void): Interruption {
  return (response, body) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(body.slice(0, body.length / 2), () => setTimeout(() => breakOff(response), 50));
  };
}

const interruptions: [string, Interruption][] = [
  ['resets the stream before the answer', ({ stream }) => stream.close(NGHTTP2_INTERNAL_ERROR)],
  ['closes the stream without an answer', ({ stream }) => stream.close(NGHTTP2_NO_ERROR)],
  ['goes away and closes before the answer', ({ stream }) => stream.session?.destroy(undefined, NGHTTP2_NO_ERROR)],
  ['goes away with an error', ({ stream }) => stream.session?.destroy(undefined, NGHTTP2_INTERNAL_ERROR)],
  ['cuts the connection before the answer', ({ stream }) => stream.session?.socket.destroy()],
  ['resets the stream in the middle', halfway(({ stream }) => stream.close(NGHTTP2_INTERNAL_ERROR))],
  ['ends the stream in the middle', halfway((response) => response.end())],
  ['goes away in the middle', halfway(({ stream }) => stream.session?.destroy(undefined, NGHTTP2_NO_ERROR))],
  ['cuts the connection in the middle', halfway(({ stream }) => stream.session?.socket.destroy())],
];

describe.each(interruptions)('a server that %s', (_, interruption) => {
  test('fails one attempt and serves the next', async () => {
    const { chain, server } = await serve('h2');
    const client = clientOf(server);
    expect(await client.request('eth_chainId', [])).toBe('0x7a69');
    // The client may repeat a request by itself if the server did not begin to answer, so two attempts are interrupted.
    server.interruptions.push(interruption, interruption);
    const failed = client.request('eth_getBlockByNumber', ['0x1', false]);
    await expect(failed).rejects.toMatchObject({ name: 'RpcError', kind: 'unavailable', retryable: true });
    server.interruptions.length = 0;
    const block = (await client.request('eth_getBlockByNumber', ['0x1', false])) as { hash: string };
    expect(block.hash).toBe(chain.block(1)?.hash);
  });

  test('loses no log of a range', async () => {
    const { chain, server } = await serve('h2');
    const source = fixture.open([server.url], { requestTimeoutMs: HANG_TIMEOUT_MS });
    await source.head();
    server.interruptions.push(interruption);
    const range = await source.fetchRange({ ...whole, strict: false });
    expect(range.logs.map(({ blockHash }) => blockHash)).toEqual(chain.blocks.slice(1).map(({ hash }) => hash));
    expect(new Set(server.versions)).toEqual(new Set(['2.0']));
  });
});

test('a request on a refused stream is sent again, because the server did not process it', async () => {
  const { server } = await serve('h2');
  const client = clientOf(server);
  server.interruptions.push(({ stream }) => stream.close(NGHTTP2_REFUSED_STREAM));
  expect(await client.request('eth_chainId', [])).toBe('0x7a69');
});

test('a server that sends GOAWAY between requests, as at a deployment, causes no failure', async () => {
  const { server } = await serve('h2');
  const client = clientOf(server);
  for (let time = 1; time <= 5; time++) {
    expect(await client.request('eth_chainId', [])).toBe('0x7a69');
    for (const session of server.sessions) session.close();
    if (time % 2 === 0) await until('the connection to be closed', () => server.sessions.length === 0);
  }
  expect(server.connections).toBe(5);
});

test('a connection that falls silent is replaced', async () => {
  const { server } = await serve('h2');
  const proxy = await TcpProxy.before(server.url);
  const client = clientOf({ url: proxy.url(server.url) }, 1_000);
  expect(await client.request('eth_chainId', [])).toBe('0x7a69');
  proxy.forget();
  const brokenAt = performance.now();
  await until('another connection to be made', async () => {
    const answer = await client.request('eth_chainId', []).catch((error: unknown) => error);
    if (answer !== '0x7a69') expect(answer).toMatchObject({ kind: 'unavailable', retryable: true });
    return answer === '0x7a69';
  });
  expect(server.connections).toBe(2);
  expect(performance.now() - brokenAt).toBeLessThan(30_000);
});

/**
 * Begins 50 requests that are larger than what the server accepts before it reads them, aborts them when its input ends, and sends
 * another one. Prints how they ended.
 */
const ABORTING_CLIENT = `
  import { once } from 'node:events';
  const { connectHttp } = await import(process.env.HTTP);
  const transport = connectHttp(process.env.URL, { timeoutMs: ${HANG_TIMEOUT_MS} });
  const send = (signal) => transport.request({ method: 'eth_chainId', params: ['x'.repeat(100_000)] }, { signal, maxBytes: 1_000 });
  const stop = new AbortController();
  const requests = Array.from({ length: 50 }, () => send(stop.signal));
  await once(process.stdin.resume(), 'end');
  stop.abort();
  const types = (await Promise.all(requests)).map(({ failure }) => failure?.type);
  console.log(types.join(' '), JSON.stringify(await send(new AbortController().signal)));
  transport.close();
`;

// The client is a process of its own, because a process in an endless loop could not report that this test failed.
test('requests that are aborted before they are sent stop neither the process nor the connection', async () => {
  const { server } = await serve('h2');
  const reading = Promise.withResolvers<void>();
  server.mayRead = reading.promise;
  const http = new URL('../../indexer/rpc/http.ts', import.meta.url).href;
  const client = spawn(process.execPath, ['--input-type=module', '--eval', ABORTING_CLIENT], {
    env: { URL: server.url, HTTP: http, NODE_EXTRA_CA_CERTS: CERTIFICATE_FILE },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: HANG_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const output = text(client.stdout);
  await until('the server to see all requests', () => server.versions.length === 50);
  client.stdin.end();
  await until('the server to see the next request', () => server.versions.length === 51);
  reading.resolve();
  expect(await output).toBe(`${'aborted '.repeat(50)}{"result":"0x7a69"}\n`);
  expect(server.connections).toBe(1);
});
