import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { createGunzip } from 'node:zlib';

/** The answer to a request passed its bound. */
export class TooLarge extends Error {}

/** Connections that stay open, and a `fetch` over them for viem's client. */
export type Connections = {
  /** A `fetch` whose body may have so many bytes: more is `TooLarge`. */
  fetch(maxBytes: number): (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  close(): void;
};

/**
 * `fetch` over Node's own HTTP client, as far as JSON-RPC needs it: it takes a third of the time of the global one, which
 * is most of what a small request costs. It follows no redirects, and its response is read before it is given.
 */
export function openConnections(url: string): Connections {
  const secure = url.startsWith('https:');
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const request = secure ? requestHttps : requestHttp;

  function send(init: RequestInit, target: string, maxBytes: number, isRetry: boolean): Promise<Response> {
    return new Promise((resolve, reject) => {
      const headers = { ...(init.headers as Record<string, string>), 'accept-encoding': 'gzip' };
      const { method = 'POST', signal } = init;
      const sent: ClientRequest = request(target, { agent, method, headers, ...(signal && { signal }) }, (answer) => {
        read(answer, maxBytes).then(
          (text) => resolve(responseOf(answer, text)),
          (error: Error) => {
            sent.destroy();
            reject(signal?.aborted ? signal.reason : error);
          },
        );
      });
      sent.on('error', (error) => {
        // The server closed an idle connection just as it was used: nothing was answered, so nothing is asked twice.
        const stale = sent.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET' && !signal?.aborted;
        if (stale && !isRetry) send(init, target, maxBytes, true).then(resolve, reject);
        else reject(error);
      });
      sent.end(init.body as string);
    });
  }

  return {
    fetch:
      (maxBytes) =>
      (input, init = {}) =>
        send(init, String(input), maxBytes, false),
    close: () => agent.destroy(),
  };
}

async function read(answer: IncomingMessage, maxBytes: number): Promise<string> {
  const zipped = answer.headers['content-encoding'] === 'gzip';
  const body = zipped ? answer.pipe(createGunzip()) : answer;
  // What breaks the connection must also end the reading of what it fed.
  if (zipped) answer.once('error', (error) => body.destroy(error));
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new TooLarge(`the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** As much of a `Response` as viem reads. */
function responseOf(answer: IncomingMessage, text: string): Response {
  const status = answer.statusCode ?? 0;
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText: answer.statusMessage ?? '',
    headers: { get: (name: string) => headerOf(answer, name) },
    text: async () => text,
  } as unknown as Response;
}

function headerOf(answer: IncomingMessage, name: string): string | null {
  const value = answer.headers[name.toLowerCase()];
  return value === undefined ? null : String(value);
}
