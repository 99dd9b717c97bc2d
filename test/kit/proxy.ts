import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** A TCP proxy that refuses, stalls, delays or cuts connections on demand. */
export class TcpProxy {
  /** Delay of everything that a client sends, in milliseconds. */
  delayMs = 0;
  /**
   * Called with the bytes that a client sends. If it returns a number, the proxy forwards only that many of them and cuts the connection.
   * If the callback also called `stall`, the connection stays open, and the remaining bytes are forwarded after `heal`.
   */
  onSent: (bytes: Buffer) => number | undefined = () => undefined;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #refuses = false;
  #stalls = false;
  #healing = Promise.withResolvers<void>();

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Starts a proxy for the server that a URL names. It runs until the test ends. */
  static async before(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new TcpProxy({ host: hostname, port: Number(port) });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      proxy.refuse();
      proxy.#server.close();
    });
    return proxy;
  }

  /** Returns a URL of the server with the host and port of this proxy. */
  url(direct: string): string {
    const url = new URL(direct);
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    return url.href;
  }

  /** Cuts every connection and refuses new ones until `heal`. */
  refuse(): void {
    this.#refuses = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  /** Forwards nothing in either direction until `heal`. Connections stay open. */
  stall(): void {
    if (!this.#stalls) this.#healing = Promise.withResolvers();
    this.#stalls = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Stops forwarding on the existing connections but keeps them open, like a NAT that has lost their state. New connections work. */
  forget(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Ends `refuse`, `stall` and `forget`. */
  heal(): void {
    this.#refuses = false;
    this.#stalls = false;
    this.#healing.resolve();
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  #accept(client: Socket): void {
    if (this.#refuses) {
      client.destroy();
      return;
    }
    const server = connect(this.#target);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const [socket, other] of [pair, pair.toReversed()] as [Socket, Socket][]) {
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
    server.on('data', (bytes) => void client.write(bytes));
    let sent = Promise.resolve();
    client.on('data', (bytes: Buffer) => {
      const cutAt = this.onSent(bytes);
      const due = performance.now() + this.delayMs;
      sent = sent.then(async () => {
        const remainingMs = due - performance.now();
        if (remainingMs > 0) await wait(remainingMs);
        if (!server.destroyed) server.write(cutAt === undefined ? bytes : bytes.subarray(0, cutAt));
        if (cutAt === undefined) return;
        if (!this.#stalls) server.end();
        await this.#healing.promise;
        if (!server.destroyed) server.write(bytes.subarray(cutAt));
      });
    });
    if (this.#stalls) for (const socket of pair) socket.pause();
  }
}
