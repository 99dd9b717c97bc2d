import { subscribe } from 'node:diagnostics_channel';
import { type ClientHttp2Stream, constants } from 'node:http2';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import type { ProxySettings } from '../config/resolve.ts';
import { messageOf } from '../kernel/errors.ts';
import {
  encodeRequest,
  errorResponse,
  type Failure,
  type HttpMeta,
  httpMembersOf,
  isSuccess,
  membersOf,
  noResponse,
  RequestTimeout,
  readBatchResponse,
  readResponse,
  type SendOptions,
  type Transport,
} from './json-rpc.ts';

/** A response exceeded its size limit. */
class TooLarge extends Error {}

/** A response ended before it was complete. */
class Truncated extends Error {}

/** The server closed the connection before it sent any part of the response. */
class ConnectionLost extends Error {
  /** Whether the request was sent over a connection that had been idle. */
  readonly wasReused: boolean;

  constructor(cause: unknown, wasReused: boolean) {
    super(messageOf(cause), { cause });
    this.wasReused = wasReused;
  }
}

type HttpResponse = HttpMeta & { readonly statusText: string; readonly text: string };

/** The timeout, headers and proxy of requests. */
export type HttpOptions = {
  readonly timeoutMs: number;
  /** Sent with every request. The values are secrets. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly proxy?: ProxySettings | undefined;
};

const gunzipAsync = promisify(gunzip);
/** Error codes of Node.js and undici for a connection that the server closed. */
const CONNECTION_LOST: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/**
 * Sends JSON-RPC over HTTP, through undici's connection pool and with HTTP/2 where the server offers it.
 *
 * It does not follow redirects and does not retry, except once when a kept-alive connection turned out to be closed. Every
 * request has one timeout and one size limit. It calls `dispatch` of undici, because the streams of `undici.request` take
 * 40 to 54 % more CPU time for a request of 1 KB (see docs/performance.md).
 */
export function connectHttp(url: string, options: HttpOptions): Transport {
  const post = createPoster(url, options);
  let nextId = 1;

  async function exchange(
    body: string,
    options: SendOptions,
  ): Promise<{ readonly json: unknown; readonly http: HttpMeta } | { readonly failure: Failure }> {
    try {
      return readHttpResponse(await post.send(body, options));
    } catch (error) {
      if (options.signal.aborted) return { failure: { type: 'aborted', text: '' } };
      return { failure: httpFailure(error) };
    }
  }

  return {
    async request(call, options) {
      const response = await exchange(encodeRequest(call, nextId++), options);
      return 'failure' in response ? response : readResponse(response.json, response.http);
    },
    async batch(calls, options) {
      const id = nextId;
      nextId += calls.length;
      const response = await exchange(encodeRequest(calls, id), options);
      return 'failure' in response ? response : readBatchResponse(response.json, id, calls.length, response.http);
    },
    close: () => post.close(),
  };
}

/** Returns the JSON of a response with status 2xx. For any other status, returns a failure with the response's JSON-RPC error or text. */
function readHttpResponse(
  response: HttpResponse,
): { readonly json: unknown; readonly http: HttpMeta } | { readonly failure: Failure } {
  const { status, text, statusText } = response;
  if (isSuccess(status)) return { json: parseJson(text), http: response };
  try {
    const json: unknown = JSON.parse(text);
    const { error } = membersOf(Array.isArray(json) ? json[0] : json);
    if (error !== undefined && error !== null) return { failure: errorResponse(error, response) };
    return { failure: { type: 'error-response', ...httpMembersOf(response), text: statusText } };
  } catch {
    return { failure: { type: 'error-response', ...httpMembersOf(response), text: text || statusText } };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (/^\s*[{[]/.test(text)) throw new Truncated('the response is truncated', { cause: error });
    // Text that does not begin like JSON is the error page of a gateway, or the page of another server.
    throw new Error(`the response is not JSON; is this the URL of a node? ${text}`);
  }
}

function httpFailure(error: unknown): Failure {
  if (error instanceof TooLarge) return { type: 'too-large', text: error.message };
  return error instanceof Truncated ? { type: 'truncated', text: error.message } : noResponse(error);
}

function createPoster(url: string, { timeoutMs, headers, proxy }: HttpOptions) {
  const dispatcher = createDispatcher(timeoutMs, proxy);
  const request = requestTo(url, headers);
  let connections = 0;
  dispatcher.on('connect', () => connections++);

  function sendOnce(body: string, { signal, maxBytes }: SendOptions): Promise<HttpResponse> {
    const connectionsBefore = connections;
    return new Promise<HttpResponse>((resolve, reject) => {
      let controller: Dispatcher.DispatchController | undefined;
      let settled: Error | undefined;
      const fail = (error: Error) => {
        settled ??= error;
        end();
        reject(settled);
        controller?.abort(settled);
      };
      const abort = () => fail(new Error('the request was aborted'));
      const timer = setTimeout(() => fail(new RequestTimeout(timeoutMs)), timeoutMs);
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      };
      signal.addEventListener('abort', abort, { once: true });
      const response = new ResponseReader(maxBytes);
      dispatcher.dispatch(
        { ...request, body },
        {
          onRequestStart(started) {
            controller = started;
            if (settled !== undefined) started.abort(settled);
          },
          onResponseStart: (_, status, headers, statusText) => response.start(status, headers, statusText ?? ''),
          onResponseData(_, chunk) {
            if (!response.add(chunk)) fail(tooLarge(maxBytes));
          },
          onResponseEnd: () => void response.end().then(resolve, reject).finally(end),
          onResponseError(_, error) {
            if (response.hasBody) return fail(new Truncated('the response is truncated', { cause: error }));
            const isLost = CONNECTION_LOST.has((error as NodeJS.ErrnoException).code);
            fail(isLost ? new ConnectionLost(error, connections === connectionsBefore) : error);
          },
        },
      );
    });
  }

  return {
    async send(body: string, options: SendOptions): Promise<HttpResponse> {
      try {
        return await sendOnce(body, options);
      } catch (error) {
        // The server closed an idle connection just when it was used again, so the request was not processed.
        if (!(error instanceof ConnectionLost && error.wasReused) || options.signal.aborted) throw error;
        return sendOnce(body, options);
      }
    },
    close: () => void dispatcher.destroy(),
  };
}

/** Returns the options that all requests to a URL share. The user and password in the URL become an `authorization` header. */
function requestTo(url: string, headers: HttpOptions['headers']): Dispatcher.DispatchOptions {
  const { origin, pathname, search, username, password } = new URL(url);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    origin,
    path: pathname + search,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'accept-encoding': 'gzip',
      ...(username !== '' && { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
      ...headers,
    },
  };
}

/**
 * Creates the connection pool. The header and body timeouts of undici are off, because each request has its own timeout. Over HTTP/2, a
 * request that times out leaves its connection open for other requests. Therefore pings detect a dead connection within two timeouts.
 */
function createDispatcher(timeoutMs: number, proxy: ProxySettings | undefined): Dispatcher {
  // Name HTTP/2 first, because some servers choose the first version that a client names.
  const preferH2 = true;
  const options = {
    allowH2: true,
    h2Options: { pingInterval: timeoutMs },
    connect: { timeout: timeoutMs, preferH2 },
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  if (proxy === undefined) return new Agent(options);
  // Empty strings keep undici from reading the environment by itself.
  const { httpProxy = '', httpsProxy = '', noProxy = '' } = proxy;
  return new EnvHttpProxyAgent({ ...options, requestTls: { preferH2 }, httpProxy, httpsProxy, noProxy });
}

/**
 * Makes `stream.close()` cancel a stream at once, and gives every stream a listener for errors.
 *
 * To abort a request, undici 8.13 calls `close()` without an error code and then destroys the stream. Without a code, `close()` waits
 * until the body is sent, so the server is never told of the abort. When the server accepts more data, Node.js 24 sends the rest of the
 * destroyed stream's body in an endless loop, which blocks the process until its memory is full. With the code CANCEL, the stream is
 * closed at once.
 */
subscribe('http2.client.stream.created', (message) => {
  const { stream } = message as { readonly stream: ClientHttp2Stream };
  const close = stream.close.bind(stream);
  stream.close = (code = constants.NGHTTP2_CANCEL, callback) => close(code, callback);
  // An `error` event without a listener ends the process. Such an event was seen once, when connections were closed.
  stream.on('error', () => undefined);
});

/** Collects one response, up to a size limit. */
class ResponseReader {
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #meta: HttpMeta & { readonly statusText: string } = { status: 0, statusText: '', retryAfter: null };
  #isGzip = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a part of the body has arrived. */
  get hasBody(): boolean {
    return this.#bytes > 0;
  }

  start(status: number, headers: Readonly<Record<string, string | string[] | undefined>>, statusText: string): void {
    this.#meta = { status, statusText, retryAfter: [headers['retry-after']].flat()[0] ?? null };
    this.#isGzip = headers['content-encoding'] === 'gzip';
  }

  /** Adds a part of the body. Returns false if the response is larger than the limit. */
  add(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
    return this.#bytes <= this.#maxBytes;
  }

  async end(): Promise<HttpResponse> {
    const body = Buffer.concat(this.#chunks);
    return { ...this.#meta, text: (this.#isGzip ? await this.#unpack(body) : body).toString() };
  }

  async #unpack(body: Buffer): Promise<Buffer> {
    try {
      return await gunzipAsync(body, { maxOutputLength: this.#maxBytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(this.#maxBytes);
      throw new Truncated('the response is truncated', { cause: error });
    }
  }
}

function tooLarge(maxBytes: number): TooLarge {
  return new TooLarge(`the response is larger than ${maxBytes} bytes`);
}
