import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** A way to a server that breaks on command: it refuses, stalls, or takes its time over everything that a client says. */
export class TcpProxy {
  /** How long everything that a client sends is kept back, in milliseconds. */
  delayMs = 0;
  /** Sees what a client sends before it is passed on; where it gives a number, the connection is cut after so many bytes. */
  onSent: (bytes: Buffer) => number | undefined = () => undefined;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #refuses = false;
  #stalls = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Stands before the server that a URL names until the test is finished. */
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

  /** The same URL, by way of this proxy. */
  url(direct: string): string {
    const url = new URL(direct);
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    return url.href;
  }

  /** Cuts every connection and turns new ones away, until healed. */
  refuse(): void {
    this.#refuses = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  /** Passes nothing on, in either direction, and says nothing, until healed. */
  stall(): void {
    this.#stalls = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Passes nothing more on over the connections that exist, without a word, as a NAT that forgot them. New ones work. */
  forget(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  heal(): void {
    this.#refuses = false;
    this.#stalls = false;
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
        const left = due - performance.now();
        if (left > 0) await wait(left);
        if (!server.destroyed) server.write(cutAt === undefined ? bytes : bytes.subarray(0, cutAt));
        if (cutAt !== undefined) server.end();
      });
    });
    if (this.#stalls) for (const socket of pair) socket.pause();
  }
}
