import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { z } from 'zod';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import type { Logger } from '../observability/log.ts';
import type { CoverageQuery } from '../progress/coverage-page.ts';
import { EventStream } from './event-stream.ts';
import { servePage } from './page.ts';
import type { BoardQueues } from './queue-board.ts';
import { serveQueues } from './queues.ts';
import type { Readiness } from './readiness.ts';
import { type StatusDocument, statusDocument } from './status-document.ts';

/** Metrics in the format of Prometheus. */
export type MetricsText = { readonly contentType: string; text(): Promise<string> };

/** The content that the HTTP server of a daemon serves. */
export type Pages = {
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: MetricsText;
  /** Returns the document at `/status`. Throws if the database does not answer. */
  readonly status: () => Promise<StatusDocument>;
  /** Returns the newest blocks and reorgs of every chain. */
  readonly blocks: () => Promise<unknown>;
  /** Returns a page of contracts with their coverage. */
  readonly contracts: (query: CoverageQuery) => Promise<unknown>;
  readonly queues: () => BoardQueues;
};

/** The address of the HTTP server. With a `token`, whoever knows it may change queues under `/queues`. */
export type HttpSettings = { readonly host: string; readonly port: number; readonly token?: string | undefined };

const CONTRACTS_PER_PAGE_MAX = 200;
const SEARCH_MAX_CHARS = 66;
const URL_PATHS = '/, /health, /ready, /status, /status/schema, /metrics and /queues';
const BODY_MAX_BYTES = 64 * 1024;

const coverageQuery = z.object({
  chain: z.coerce.number().int().positive().optional(),
  search: z.string().max(SEARCH_MAX_CHARS).default(''),
  incomplete: z.stringbool().default(false),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(CONTRACTS_PER_PAGE_MAX).default(50),
});

/**
 * Serves the status page at `/`, `/health` (200 while the process answers), `/ready` (200 or 503, with the state of each chain),
 * `/status` with its schema at `/status/schema`, `/metrics` for Prometheus, and the queues under `/queues`. The status page reads
 * `/contracts` and `/events`.
 *
 * @throws {IndexerError} if it cannot listen on the configured address. The message names the variable.
 */
export async function serveHttp(settings: HttpSettings, pages: Pages, log: Logger): Promise<FastifyInstance> {
  const app = createApp(URL_PATHS, 'the database does not answer', log);
  const events = new EventStream(async () => ({ status: await pages.status(), blocks: await pages.blocks() }));
  app.addHook('onClose', async () => events.close());
  serveProcess(app, pages.metrics);
  serveState(app, pages);
  serveContracts(app, pages);
  app.get('/events', (request, reply) => events.open(request.raw, reply));
  await servePage(app);
  serveQueues(app, pages.queues, settings.token);
  return listen(app, settings, 'HTTP_PORT');
}

/**
 * Serves `/health` and `/metrics` of a process that does not show the state of chains.
 *
 * @throws {IndexerError} if it cannot listen on the address. The message names the option or variable.
 */
export async function serveWorker(
  address: Pick<HttpSettings, 'host' | 'port'>,
  metrics: MetricsText,
  log: Logger,
): Promise<FastifyInstance> {
  const app = createApp('/health and /metrics', 'the metrics could not be read', log);
  serveProcess(app, metrics);
  return listen(app, address, '--http-port');
}

/**
 * Creates a server that answers errors and unknown paths with a sentence.
 *
 * @param paths the paths that it serves, for the answer to an unknown path
 * @param failure the reason that its answer 503 gives
 */
function createApp(paths: string, failure: string, log: Logger): FastifyInstance {
  const app = fastify({ bodyLimit: BODY_MAX_BYTES, forceCloseConnections: true });
  app.setNotFoundHandler((_, reply) => reply.code(404).send({ error: `not found; the paths are ${paths}` }));
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send({ error: error.message });
    log.warn(
      { path: request.routeOptions.url, reason: messageOf(error), err: error },
      'answering an HTTP request failed',
    );
    return reply.code(503).send({ error: `${failure}; see the log` });
  });
  return app;
}

async function listen(
  app: FastifyInstance,
  { host, port }: Pick<HttpSettings, 'host' | 'port'>,
  portSetting: string,
): Promise<FastifyInstance> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw cannotListen(error as NodeJS.ErrnoException, host, port, portSetting);
  }
  return app;
}

function uncached(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}

function serveProcess(app: FastifyInstance, metrics: MetricsText): void {
  app.get('/health', (_, reply) => uncached(reply).send({ ok: true }));
  app.get('/metrics', async (_, reply) => {
    const text = await metrics.text();
    return uncached(reply).type(metrics.contentType).send(text);
  });
}

function serveState(app: FastifyInstance, { readiness, status }: Pages): void {
  app.get('/ready', async (_, reply) => {
    const state = await readiness();
    return uncached(reply)
      .code(state.ready ? 200 : 503)
      .send(state);
  });
  app.get('/status', async (_, reply) => uncached(reply).send(await status()));
  app.get('/status/schema', (_, reply) => reply.type('application/schema+json').send(z.toJSONSchema(statusDocument)));
}

function serveContracts(app: FastifyInstance, { contracts }: Pages): void {
  app.get('/contracts', async (request, reply) => {
    const query = coverageQuery.safeParse(request.query);
    if (!query.success) return reply.code(400).send({ error: z.prettifyError(query.error) });
    return uncached(reply).send(await contracts(query.data));
  });
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number, portSetting: string): IndexerError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new IndexerError(
        `${portSetting}: another program listens on ${host}:${port}; stop it, or choose another port`,
      );
    case 'EACCES':
      return new IndexerError(`${portSetting}: only the superuser may listen on port ${port}; choose one from 1024`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new IndexerError(`HTTP_HOST: ${host} is no address of this machine`);
    default:
      return new IndexerError(`${portSetting}: cannot listen on ${host}:${port}: ${messageOf(error)}`);
  }
}
