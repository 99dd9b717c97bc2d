import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Hex } from '../../indexer/kernel/chain.ts';
import type { Chain } from './chain.ts';
import { answer, asBlock, RpcFault, type View } from './chain-rpc.ts';

/** A fault of a server: its effect, the requests it applies to (default: all) and how often it occurs (default: until `heal`). */
export type Fault = {
  readonly methods?: readonly string[];
  readonly when?: (params: readonly unknown[]) => boolean;
  readonly times?: number;
  readonly do:
    | { readonly kind: 'error'; readonly code: number; readonly message: string; readonly data?: unknown }
    | {
        readonly kind: 'http';
        readonly status: number;
        readonly body?: string;
        readonly headers?: Record<string, string>;
        /** Applies only if the normal response has more bytes. */
        readonly overBytes?: number;
      }
    /** Sends half of the response. With `overBytes`, only if the response has more bytes. */
    | { readonly kind: 'truncate'; readonly overBytes?: number }
    /** Accepts the request and never responds. */
    | { readonly kind: 'hang' }
    | { readonly kind: 'latency'; readonly ms: number }
    /** Replaces the correct result. */
    | { readonly kind: 'result'; readonly result: (correct: unknown, params: readonly unknown[]) => unknown };
};

/** Makes the response to a batch out of the correct responses. `status` applies to HTTP only. */
export type BatchFault = (answers: readonly BatchAnswer[]) => { readonly body: unknown; readonly status?: number };
type BatchAnswer = { readonly id: number; readonly result?: unknown; readonly error?: unknown };

type Request = { readonly id?: unknown; readonly method: string; readonly params?: readonly unknown[] };

/** The part of an HTTP/1.1 or HTTP/2 response that the server uses. */
export type HttpResponse = {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
  once(event: 'close', listener: () => void): unknown;
};

/** A small JSON-RPC node that serves a `Chain` over HTTP and WebSocket on one port, with faults on demand. */
export class ChainServer {
  /** May be changed at any time. */
  readonly view: View;
  /** Number of requests by method, including rejected ones. */
  readonly counts = new Map<string, number>();
  /** Number of HTTP requests. A batch counts once. */
  requests = 0;
  /** Number of HTTP requests that are waiting for their response. */
  waiting = 0;
  /** Number of WebSockets that were opened so far. */
  connected = 0;
  /** Number of calls in each batch. */
  readonly batches: number[] = [];
  /** Replaces the responses to batches. */
  batchFault: BatchFault | undefined;
  /** Arrival time of each request, in milliseconds of `performance.now()`. */
  readonly arrivals: number[] = [];
  readonly #faults = new Map<Fault, number>();
  readonly #server = createServer((request, response) => void this.http(request, response));
  readonly #sockets = new WebSocketServer({ server: this.#server });
  readonly #connections = new Set<Socket>();
  readonly #subscribers = new Map<string, WebSocket>();
  #muted = false;
  #nextSubscription = 1;
  #unlisten: () => void;

  private constructor(chain: Chain) {
    this.view = { chain, lag: 0 };
    this.#unlisten = this.#announce(chain);
    this.#server.on('connection', (connection) => {
      this.#connections.add(connection);
      connection.on('close', () => this.#connections.delete(connection));
    });
    this.#sockets.on('connection', (socket) => {
      this.connected += 1;
      socket.on('message', (message) => void this.#socket(socket, String(message)));
      socket.on('error', () => undefined);
    });
  }

  /** Listens on the loopback interface, by default on a free port. */
  static async start(chain: Chain, port = 0): Promise<ChainServer> {
    const server = new ChainServer(chain);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(port, '127.0.0.1', resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get wsUrl(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get chain(): Chain {
    return this.view.chain;
  }

  /** Switches to another chain, like a load balancer that switches to a node on another fork. */
  serve(chain: Chain): void {
    this.#unlisten();
    this.view.chain = chain;
    this.#unlisten = this.#announce(chain);
  }

  /** Adds a fault, which lasts until the returned function or `heal` is called or it has occurred `times` times. */
  misbehave(fault: Fault): () => void {
    this.#faults.set(fault, fault.times ?? Number.POSITIVE_INFINITY);
    return () => this.#faults.delete(fault);
  }

  /** Removes every fault. Does not change `view`. */
  heal(): void {
    this.#faults.clear();
  }

  /** Number of faults that are active. */
  get faults(): number {
    return this.#faults.size;
  }

  /** Returns the number of requests for a method. */
  count(method: string): number {
    return this.counts.get(method) ?? 0;
  }

  /** Stops sending heads to subscribers, without ending the subscriptions. */
  mute(muted = true): void {
    this.#muted = muted;
  }

  get subscriptions(): number {
    return this.#subscribers.size;
  }

  /** Destroys every connection. */
  drop(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#subscribers.clear();
  }

  async close(): Promise<void> {
    this.#unlisten();
    this.drop();
    this.#sockets.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #announce(chain: Chain): () => void {
    return chain.onBlock((block) => {
      if (this.#muted || this.view.lag > 0) return;
      for (const [subscription, socket] of this.#subscribers) {
        const head = asBlock(this.view, block, false) as object;
        const params = { subscription, result: this.view.announce?.(head) ?? head };
        socket.send(JSON.stringify({ jsonrpc: '2.0', method: 'eth_subscription', params }));
      }
    });
  }

  #faultsOf(method: string, params: readonly unknown[]): Fault['do'][] {
    const found: Fault['do'][] = [];
    for (const [fault, left] of this.#faults) {
      if (fault.methods !== undefined && !fault.methods.includes(method)) continue;
      if (fault.when !== undefined && !fault.when(params)) continue;
      found.push(fault.do);
      if (left <= 1) this.#faults.delete(fault);
      else this.#faults.set(fault, left - 1);
    }
    return found;
  }

  /** Returns the body to send, and `http` if the status is not 200. Returns undefined if no response is to be sent. */
  async #reply(
    request: Request,
    socket?: WebSocket,
  ): Promise<{ body: string; http?: Fault['do'] & { kind: 'http' } } | undefined> {
    const { id, method, params = [] } = request;
    this.counts.set(method, this.count(method) + 1);
    this.arrivals.push(performance.now());
    const faults = this.#faultsOf(method, params);
    for (const fault of faults) if (fault.kind === 'latency') await wait(fault.ms);
    if (faults.some((fault) => fault.kind === 'hang')) return undefined;
    const http = faults.find((fault) => fault.kind === 'http');
    if (http !== undefined && http.overBytes === undefined) return refused(http);
    let body: string;
    try {
      for (const fault of faults) if (fault.kind === 'error') throw new RpcFault(fault.code, fault.message, fault.data);
      let result = this.#subscription(method, params, socket) ?? answer(this.view, method, params);
      for (const fault of faults) if (fault.kind === 'result') result = fault.result(result, params);
      body = JSON.stringify({ jsonrpc: '2.0', id, result });
    } catch (error) {
      const { code = -32603, message, data } = error as Partial<RpcFault>;
      body = JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, data } });
    }
    if (http !== undefined && body.length > (http.overBytes ?? 0)) return refused(http);
    const cut = faults.find((fault) => fault.kind === 'truncate');
    return { body: cut !== undefined && body.length > (cut.overBytes ?? 0) ? body.slice(0, body.length / 2) : body };
  }

  #subscription(method: string, params: readonly unknown[], socket: WebSocket | undefined): unknown {
    if (method === 'eth_unsubscribe') return this.#subscribers.delete(String(params[0]));
    if (method !== 'eth_subscribe') return undefined;
    if (socket === undefined || this.view.noSubscriptions) throw new RpcFault(-32601, 'notifications not supported');
    const id: Hex = `0x${(this.#nextSubscription++).toString(16)}`;
    this.#subscribers.set(id, socket);
    socket.on('close', () => this.#subscribers.delete(id));
    return id;
  }

  /** Responds to an HTTP request. A `TlsServer` also calls this method with the requests that it receives. */
  async http(request: AsyncIterable<Buffer>, response: HttpResponse): Promise<void> {
    this.requests += 1;
    this.waiting += 1;
    response.once('close', () => (this.waiting -= 1));
    const received = (await json(request).catch(() => undefined)) as Request | readonly Request[] | undefined;
    // The client was killed while it sent the request, or aborted it, so that only a part of it arrived.
    if (received === undefined) return;
    const reply = await this.#replies(received);
    if (reply === undefined) return;
    const { body, status = 200, headers } = reply;
    response.writeHead(status, { 'content-type': status === 200 ? 'application/json' : 'text/html', ...headers });
    response.end(body);
  }

  async #socket(socket: WebSocket, message: string): Promise<void> {
    const reply = await this.#replies(JSON.parse(message), socket);
    if (reply?.status !== undefined) socket.terminate();
    else if (reply !== undefined) socket.send(reply.body);
  }

  /** Returns the response to a request or a batch, or undefined if none is to be sent. */
  async #replies(received: Request | readonly Request[], socket?: WebSocket): Promise<Message | undefined> {
    if ('method' in received) {
      const reply = await this.#reply(received, socket);
      return reply && { body: reply.body, status: reply.http?.status, headers: reply.http?.headers };
    }
    this.batches.push(received.length);
    const replies = await Promise.all(received.map((request) => this.#reply(request, socket)));
    if (replies.includes(undefined)) return undefined;
    const http = replies.find((reply) => reply?.http)?.http;
    const body = `[${replies.map((reply) => reply?.body).join(',')}]`;
    if (http !== undefined) return { body: http.body ?? '', status: http.status, headers: http.headers };
    if (this.batchFault === undefined) return { body };
    const fault = this.batchFault(JSON.parse(body) as BatchAnswer[]);
    return { body: JSON.stringify(fault.body), status: fault.status };
  }
}

function refused(http: Fault['do'] & { kind: 'http' }) {
  return { body: http.body ?? `<html>${http.status}</html>`, http };
}

type Message = {
  readonly body: string;
  readonly status?: number | undefined;
  readonly headers?: Record<string, string> | undefined;
};
