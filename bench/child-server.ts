import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type WebSocket, WebSocketServer } from 'ws';

/** A JSON-RPC server of the benchmark, in a process of its own. */
export type ChildServer = {
  readonly httpUrl: string;
  readonly wsUrl: string;
  /** Returns the result of a call. Throws if the server answers with an error. */
  call(method: string, ...params: unknown[]): Promise<unknown>;
  /** Ends the process and waits until it has exited. */
  stop(): Promise<void>;
};

/**
 * Starts a script of this folder that prints its port as one line of JSON when it is ready, and exits when its standard input ends.
 *
 * @param flags - its command-line options
 */
export async function startChildServer(
  script: string,
  flags: Readonly<Record<string, string | number>>,
): Promise<ChildServer> {
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)]);
  if (first === undefined) throw new Error(`${script} exited before it was ready`);
  const { port } = JSON.parse(String(first[0])) as { port: number };
  const httpUrl = `http://127.0.0.1:${port}`;
  return {
    httpUrl,
    wsUrl: `ws://127.0.0.1:${port}`,
    async call(method, ...params) {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
      const response = await fetch(httpUrl, { method: 'POST', body });
      const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
      if (error !== undefined) throw new Error(`${method}: ${error.message}`);
      return result;
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}

/** How a script that `startChildServer` starts handles HTTP requests and WebSocket messages. */
export type Handlers = {
  /** Answers the body of an HTTP request. */
  answer(body: string, response: ServerResponse): Promise<void>;
  receive(message: string, socket: WebSocket): void;
  closed(socket: WebSocket): void;
};

/** Serves HTTP and WebSocket on a free port, prints the port as one line of JSON, and exits when standard input ends. */
export async function serveParent(handlers: Handlers): Promise<void> {
  const server = createServer(async (request, response) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      await handlers.answer(Buffer.concat(chunks).toString(), response);
    } catch (error) {
      response.destroy(error as Error);
    }
  });
  server.keepAliveTimeout = 60_000;
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (message) => handlers.receive(String(message), socket));
    socket.on('close', () => handlers.closed(socket));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
  process.stdin.resume().on('end', () => process.exit(0));
}
