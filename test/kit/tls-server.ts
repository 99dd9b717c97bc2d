import { readFileSync } from 'node:fs';
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { ChainServer, HttpResponse } from './chain-server.ts';

const fixture = (name: string) => fileURLToPath(new URL(`tls/${name}`, import.meta.url));

/** Path of the server's self-signed certificate. A client can trust it through `NODE_EXTRA_CA_CERTS`. */
export const CERTIFICATE_FILE = fixture('loopback-certificate.pem');
/** The server's certificate in PEM. */
export const CERTIFICATE = readFileSync(CERTIFICATE_FILE, 'utf8');

/** Called instead of sending a response, with the body that would have been sent. */
export type Interruption = (response: Http2ServerResponse, body: string) => void;

/** The versions of HTTP that a server offers by ALPN. */
export type OfferedVersions = 'h2' | 'http/1.1' | 'both' | 'what the client prefers';

function preferredVersion({ protocols }: { readonly protocols: readonly string[] }): string | undefined {
  return protocols[0];
}

/** A server over TLS with HTTP/1.1 or HTTP/2 that sends the responses of a `ChainServer`, and interrupts them on demand. */
export class TlsServer {
  /** The HTTP version of each request. */
  readonly versions: string[] = [];
  /** Interruptions for the next responses over HTTP/2. Each replaces one response. */
  readonly interruptions: Interruption[] = [];
  /** The bodies of requests over HTTP/2 are not read before this resolves. A client can send 65,535 bytes of each. */
  mayRead: Promise<void> = Promise.resolve();
  /** Number of connections that were opened. */
  connections = 0;
  readonly #answers: ChainServer;
  readonly #server: ReturnType<typeof createServer | typeof createSecureServer>;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();

  private constructor(answers: ChainServer, offer: OfferedVersions) {
    this.#answers = answers;
    const tls = {
      key: readFileSync(fixture('loopback-key.pem')),
      cert: CERTIFICATE,
      ...(offer === 'what the client prefers' && { ALPNCallback: preferredVersion }),
    };
    this.#server =
      offer === 'http/1.1' ? this.#overHttp1(tls) : this.#overHttp2({ ...tls, allowHTTP1: offer !== 'h2' });
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
  }

  /** Listens on a free port of the loopback interface. */
  static async start(answers: ChainServer, offer: OfferedVersions = 'both'): Promise<TlsServer> {
    const server = new TlsServer(answers, offer);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Returns the open HTTP/2 sessions. */
  get sessions(): readonly ServerHttp2Session[] {
    return [...this.#sessions];
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #overHttp1(tls: SecureContextOptions) {
    return createServer(tls, (request, response) => {
      this.versions.push(request.httpVersion);
      void this.#answers.http(request, response);
    });
  }

  #overHttp2(tls: SecureContextOptions & { readonly allowHTTP1: boolean }) {
    const server = createSecureServer(tls, (request, response) => this.#answer(request, response));
    return server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => undefined);
    });
  }

  #answer(request: Http2ServerRequest, response: Http2ServerResponse): void {
    this.versions.push(request.httpVersion);
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const interruption = this.interruptions.shift();
    const outcome: HttpResponse = {
      writeHead: (status, headers) => interruption === undefined && response.writeHead(status, headers),
      end: (body) => (interruption === undefined ? response.end(body) : interruption(response, body)),
      once: (event, listener) => response.once(event, listener),
    };
    void this.mayRead.then(() => this.#answers.http(request, outcome));
  }
}
