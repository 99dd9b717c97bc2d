import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { createClient } from '../../indexer/rpc/client.ts';

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Starts a server with this listener and returns a client for it. */
async function endpointOf(listener: RequestListener, credentials = '', timeoutMs = 20_000) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const endpoint = createClient(`http://${credentials}127.0.0.1:${port}/`, 0, timeoutMs);
  closing.push(() => {
    endpoint.close();
    server.closeAllConnections();
    server.close();
  });
  return endpoint;
}

const answer = (result: unknown) => JSON.stringify({ jsonrpc: '2.0', id: 1, result });

test('the user and password of a URL are sent', async () => {
  let seen: IncomingHttpHeaders = {};
  const endpoint = await endpointOf((request, response) => {
    seen = request.headers;
    response.end(answer('0x1'));
  }, 'al%40ice:s3cr3t@');
  expect(await endpoint.request('eth_chainId', [])).toBe('0x1');
  expect(seen.authorization).toBe(`Basic ${btoa('al@ice:s3cr3t')}`);
  expect(seen['content-type']).toBe('application/json');
});

test('a compressed answer is read, and its size limit applies to the decompressed bytes', async () => {
  const endpoint = await endpointOf((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' });
    response.end(gzipSync(answer('0'.repeat(100_000))));
  });
  expect(await endpoint.request('eth_getLogs', [])).toHaveLength(100_000);
  const bounded = endpoint.request('eth_getLogs', [], { maxBytes: 50_000 });
  await expect(bounded).rejects.toMatchObject({ kind: 'range-refused' });
});

test.each([false, true])('a truncated answer counts as an unavailable endpoint (compressed: %s)', async (zipped) => {
  const endpoint = await endpointOf((_, response) => {
    const body = zipped ? gzipSync(answer('0x1')) : Buffer.from(answer('0x1'));
    response.writeHead(200, { 'content-length': body.length, ...(zipped && { 'content-encoding': 'gzip' }) });
    response.write(body.subarray(0, -5), () => response.destroy());
  });
  await expect(endpoint.request('eth_chainId', [])).rejects.toMatchObject({ kind: 'unavailable' });
});

test.each([false, true])(
  'a long answer to eth_getLogs that is truncated counts as a refused range (compressed: %s)',
  async (zipped) => {
    const text = answer(Array.from({ length: 20_000 }, () => Math.random()));
    const endpoint = await endpointOf((_, response) => {
      const body = zipped ? gzipSync(text) : Buffer.from(text);
      response.writeHead(200, { 'content-length': body.length, ...(zipped && { 'content-encoding': 'gzip' }) });
      response.write(body.subarray(0, body.length / 2), () => setTimeout(() => response.destroy(), 50));
    });
    const filter = { fromBlock: '0x1', toBlock: '0x9' };
    await expect(endpoint.request('eth_getLogs', [filter])).rejects.toMatchObject({ kind: 'range-refused' });
  },
);

test('an answer that stalls midway times out', async () => {
  const endpoint = await endpointOf((_, response) => void response.write('{"jsonrpc":'), '', 200);
  await expect(endpoint.request('eth_chainId', [])).rejects.toThrow('timed out');
});

test('a connection that was closed while idle causes no failure', async () => {
  let asked = 0;
  const endpoint = await endpointOf((request, response) => {
    asked += 1;
    response.end(answer('0x1'), () => asked === 1 && setTimeout(() => request.socket.resetAndDestroy(), 20));
  });
  for (let time = 0; time < 5; time++) {
    expect(await endpoint.request('eth_chainId', [])).toBe('0x1');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
