import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { BoardQueues, QueueBoard } from './queue-board.ts';

const PATH = '/queues';
const READ_ONLY = 'queues are only shown; set HTTP_TOKEN to change them';

/**
 * Serves Bull Board under `/queues`. Without a token, it only shows the queues. With a token, visitors can also change them, but every
 * request must carry the token: as the password of HTTP Basic, with any user, or as a bearer token.
 *
 * @param queues returns the queues of all chains of the process. It is called at each request, because a queue is reopened after an outage
 */
export function serveQueues(app: FastifyInstance, queues: () => BoardQueues, token: string | undefined): void {
  let opened: Promise<QueueBoard> | undefined;
  app.addHook('onClose', async () => (await opened)?.app.close());
  app.register(
    (part, _, done) => {
      part.addHook('onRequest', async (request, reply) => {
        if (token === undefined && !isRead(request)) return reply.code(403).send({ error: READ_ONLY });
        if (token !== undefined && !isAuthorized(request, token)) {
          const challenge = 'Basic realm="indexer"';
          return reply.code(401).header('www-authenticate', challenge).send({ error: 'the token is wrong or missing' });
        }
        opened ??= openBoard(app, token).catch((error) => {
          opened = undefined;
          throw error;
        });
        const board = await opened;
        board.show(queues());
        reply.hijack();
        board.app.routing(request.raw, reply.raw);
      });
      for (const url of ['/', '/*']) part.all(url, () => undefined);
      done();
    },
    { prefix: PATH },
  );
}

/** Loads Bull Board at the first request for it. Loading takes a tenth of a second, and most daemons never get such a request. */
async function openBoard(app: FastifyInstance, token: string | undefined): Promise<QueueBoard> {
  const { createQueueBoard } = await import('./queue-board.ts');
  return createQueueBoard(PATH, token === undefined, app.initialConfig.bodyLimit as number);
}

function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Returns whether a request carries the token. Returns false for a request that another site made the browser send. */
function isAuthorized({ headers }: FastifyRequest, token: string): boolean {
  const [scheme = '', credentials = ''] = (headers.authorization ?? '').split(' ');
  const given = /^basic$/i.test(scheme)
    ? Buffer.from(credentials, 'base64')
        .toString()
        .replace(/^[^:]*:/, '')
    : credentials;
  const isSameSite = ['same-origin', 'none', undefined].includes(headers['sec-fetch-site'] as string | undefined);
  return isSameSite && timingSafeEqual(sha256(given), sha256(token));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
