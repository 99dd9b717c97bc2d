import { createServer, type Server } from 'node:http';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import type { Metrics } from './metrics.ts';

/** Whether the process is ready, the state of each chain, and what an operator should look at although the process is ready. */
export type Readiness = {
  readonly ready: boolean;
  readonly chains: Readonly<Record<string, string>>;
  readonly degraded?: Readonly<Record<string, string>>;
};

/** What is served. */
export type Pages = { readonly readiness: () => Promise<Readiness>; readonly metrics: Metrics };

/**
 * Serves `/health` (200 while the process answers), `/ready` (200 or 503, with the state of each chain) and `/metrics` (for Prometheus).
 *
 * @throws {IndexerError} if it cannot listen there. The message names the variable.
 */
export async function serveHttp(
  { host, port }: { readonly host: string; readonly port: number },
  { readiness, metrics }: Pages,
): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0];
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(`${JSON.stringify(body)}\n`);
    };
    if (path === '/health') answer(200, { ok: true });
    else if (path === '/ready') {
      readiness().then(
        (state) => answer(state.ready ? 200 : 503, state),
        () => answer(503, { ready: false, chains: {} }),
      );
    } else if (path === '/metrics') {
      metrics.text().then(
        (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
        () => answer(500, { error: 'the metrics could not be read' }),
      );
    } else answer(404, { error: 'not found; the paths are /health, /ready and /metrics' });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(error, host, port)));
    server.listen(port, host, resolve);
  });
  return server;
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): IndexerError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new IndexerError(`HTTP_PORT: another program listens on ${host}:${port}; stop it, or choose another port`);
    case 'EACCES':
      return new IndexerError(`HTTP_PORT: only the superuser may listen on port ${port}; choose one from 1024`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new IndexerError(`HTTP_HOST: ${host} is no address of this machine`);
    default:
      return new IndexerError(`HTTP_PORT: cannot listen on ${host}:${port}: ${messageOf(error)}`);
  }
}
