import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { WebSocket } from 'ws';
import type { ProxySettings } from '../config/resolve.ts';
import { messageOf } from '../kernel/errors.ts';
import { orAborted } from './concurrency.ts';
import type { HttpOptions } from './http.ts';
import {
  type BatchOutcome,
  type Call,
  encodeRequest,
  type Failure,
  isBatch,
  MAX_BLOCK_BYTES,
  membersOf,
  noResponse,
  RequestTimeout,
  readBatchResponse,
  readResponse,
  type Transport,
} from './json-rpc.ts';
import { RANGE_METHODS } from './refusals.ts';

/** How often to send a ping. A connection that has not answered the previous ping is terminated. */
const PING_INTERVAL_MS = 15_000;

/** A request or a batch that waits for its response, which is a single message. The calls of a batch have consecutive ids. */
type PendingRequest = {
  readonly calls: number;
  readonly isBatch: boolean;
  /** Called with the response before the next message is read, so that a subscription is registered before its first head arrives. */
  answer(message: unknown): void;
  fail(error: Error): void;
};

type Subscription = { onHead(head: unknown): void; onLost(reason: string): void };

/** An open WebSocket connection. */
type Connection = {
  send(body: string, id: number, pending: PendingRequest): void;
  forget(id: number): void;
  readonly subscriptions: Map<unknown, Subscription>;
  isOpen(): boolean;
  close(): void;
};

/**
 * Sends JSON-RPC over WebSocket. It connects at the first request, and again after the connection was lost. The handshake
 * and every request have a timeout, messages have a size limit, and the node must answer pings.
 */
export function connectWebSocket(url: string, options: HttpOptions): Transport {
  let connecting: Promise<Connection> | undefined;
  let closed = false;
  let nextId = 1;

  function connect(): Promise<Connection> {
    if (closed) return Promise.reject(new Error('the endpoint was closed'));
    if (connecting !== undefined) return connecting;
    const attempt: Promise<Connection> = open(url, options, () => discard(attempt));
    attempt.catch(() => discard(attempt));
    connecting = attempt;
    return attempt;
  }

  function discard(lost: Promise<Connection>): void {
    if (connecting === lost) connecting = undefined;
    lost.then(
      (connection) => connection.close(),
      () => undefined,
    );
  }

  function exchange<T>(
    connection: Connection,
    calls: Call | readonly Call[],
    signal: AbortSignal | undefined,
    read: (message: unknown, id: number) => T,
  ): Promise<T> {
    const id = nextId;
    nextId += isBatch(calls) ? calls.length : 1;
    return exchangeOver(connection, { calls, id, timeoutMs: options.timeoutMs }, signal, (message) =>
      read(message, id),
    );
  }

  return {
    async request(call, { signal }) {
      try {
        const connection = await orAborted(connect(), signal);
        return await exchange(connection, call, signal, (message) => readResponse(message));
      } catch (error) {
        return { failure: webSocketFailure(error, signal, RANGE_METHODS.has(call.method)) };
      }
    },
    async batch(calls, { signal }): Promise<BatchOutcome> {
      try {
        const connection = await orAborted(connect(), signal);
        return await exchange(connection, calls, signal, (message, id) => readBatchResponse(message, id, calls.length));
      } catch (error) {
        return { failure: webSocketFailure(error, signal, true) };
      }
    },
    async subscribe(onHead, onLost) {
      const connection = await connect();
      const id = await exchange(connection, { method: 'eth_subscribe', params: ['newHeads'] }, undefined, (message) => {
        const { result, error } = membersOf(message);
        if (typeof result === 'string') connection.subscriptions.set(result, { onHead, onLost });
        return typeof result === 'string' ? result : new Error(refusalOf(error));
      });
      if (id instanceof Error) throw id;
      const unsubscribe = { method: 'eth_unsubscribe', params: [id] };
      return () => {
        if (!connection.subscriptions.delete(id) || !connection.isOpen()) return;
        exchange(connection, unsubscribe, undefined, () => undefined).catch(() => undefined);
      };
    },
    disconnect() {
      if (connecting !== undefined) discard(connecting);
    },
    close() {
      closed = true;
      if (connecting !== undefined) discard(connecting);
    },
  };
}

type Request = { readonly calls: Call | readonly Call[]; readonly id: number; readonly timeoutMs: number };

/** Sends a request over a connection and returns the result of `read` for the response. */
async function exchangeOver<T>(
  connection: Connection,
  { calls, id, timeoutMs }: Request,
  signal: AbortSignal | undefined,
  read: (message: unknown) => T,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const response = new Promise<T>((resolve, fail) => {
    timer = setTimeout(() => fail(new RequestTimeout(timeoutMs)), timeoutMs);
    const answer = (message: unknown) => resolve(read(message));
    const pending = { calls: isBatch(calls) ? calls.length : 1, isBatch: isBatch(calls), answer, fail };
    connection.send(encodeRequest(calls, id), id, pending);
  });
  try {
    return await orAborted(response, signal);
  } finally {
    clearTimeout(timer);
    connection.forget(id);
  }
}

function refusalOf(error: unknown): string {
  return String(membersOf(error).message ?? 'the node refused the subscription');
}

async function open(
  url: string,
  { timeoutMs, headers, proxy }: HttpOptions,
  onClosed: () => void,
): Promise<Connection> {
  const socket = new WebSocket(url, {
    maxPayload: MAX_BLOCK_BYTES,
    handshakeTimeout: timeoutMs,
    ...(headers && { headers }),
    ...(proxy && { agent: proxyAgent(url, proxy) }),
  });
  const pending = new Map<number, PendingRequest>();
  const subscriptions = new Map<unknown, Subscription>();
  let pinging: NodeJS.Timeout | undefined;

  function lose(error: Error): void {
    clearInterval(pinging);
    for (const request of pending.values()) request.fail(error);
    for (const { onLost } of subscriptions.values()) onLost(messageOf(error));
    pending.clear();
    subscriptions.clear();
  }

  /** Returns the request that a message answers. An error without an id rejects a whole batch, so it is assigned to the oldest batch. */
  function pendingFor(message: unknown): PendingRequest | undefined {
    const { id } = membersOf(Array.isArray(message) ? message[0] : message);
    for (const [first, request] of pending) {
      if (request.isBatch && (id === null || id === undefined)) return request;
      if (Number(id) >= first && Number(id) < first + request.calls) return request;
    }
    return undefined;
  }

  socket.on('message', (message) => {
    try {
      const parsed: unknown = JSON.parse(String(message));
      const { method, params } = parsed as { method?: unknown; params?: { subscription?: unknown; result?: unknown } };
      if (method === 'eth_subscription') subscriptions.get(params?.subscription)?.onHead(params?.result);
      else pendingFor(parsed)?.answer(parsed);
    } catch (error) {
      lose(error as Error);
      socket.terminate();
    }
  });
  socket.on('error', lose);
  socket.on('close', () => {
    lose(new Error('the WebSocket was closed'));
    onClosed();
  });
  await untilOpen(socket);
  pinging = startPings(socket);
  return {
    send(body, id, request) {
      if (socket.readyState !== WebSocket.OPEN) return request.fail(new Error('the WebSocket is closed'));
      pending.set(id, request);
      socket.send(body);
    },
    forget: (id) => pending.delete(id),
    subscriptions,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    close: () => socket.terminate(),
  };
}

function untilOpen(socket: WebSocket): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the WebSocket was closed before it opened')));
  });
}

/** Sends pings. Terminates the connection if a ping is not answered before the next one is due. */
function startPings(socket: WebSocket): NodeJS.Timeout {
  let isAlive = true;
  socket.on('pong', () => {
    isAlive = true;
  });
  return setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_INTERVAL_MS);
}

function webSocketFailure(error: unknown, signal: AbortSignal, mayBeTooLarge: boolean): Failure {
  if (signal.aborted) return { type: 'aborted', text: '' };
  const text = messageOf(error);
  return mayBeTooLarge && /max payload size/i.test(text) ? { type: 'too-large', text } : noResponse(error);
}

/** Returns an agent that connects through the proxy that the settings name for this URL. */
function proxyAgent(url: string, { httpProxy, httpsProxy = httpProxy, noProxy }: ProxySettings): HttpAgent {
  const proxyEnv = {
    ...(httpProxy && { HTTP_PROXY: httpProxy }),
    ...(httpsProxy && { HTTPS_PROXY: httpsProxy }),
    ...(noProxy && { NO_PROXY: noProxy }),
  };
  return url.startsWith('wss:') ? new HttpsAgent({ proxyEnv }) : new HttpAgent({ proxyEnv });
}
