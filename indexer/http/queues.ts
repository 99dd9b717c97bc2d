import { createHash, timingSafeEqual } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** The queues of the process by chain, as BullMQ's `Queue`. */
export type BoardQueues = readonly ConstructorParameters<typeof BullMQAdapter>[0][];

const PATH = '/queues';
const READ_ONLY = 'queues are only shown; set HTTP_TOKEN to change them';

/**
 * Serves Bull Board under `/queues`. Without a token it only shows the queues. With a token it also changes them, and asks every
 * visitor for the token: as the password of HTTP Basic, with any user, or as a bearer token.
 */
export async function serveQueues(
  app: FastifyInstance,
  queues: () => BoardQueues,
  token: string | undefined,
): Promise<void> {
  const serverAdapter = new FastifyAdapter().setBasePath(PATH);
  const board = createBullBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'indexer', hideRedisDetails: true } },
  });
  await app.register(
    (part, _, done) => {
      part.addHook('onRequest', async (request, reply) => {
        // A queue is reopened after an outage, so the board gets those that are open now.
        board.setQueues(queues().map((queue) => new BullMQAdapter(queue, { readOnlyMode: token === undefined })));
        if (token === undefined) return isRead(request) ? undefined : reply.code(403).send({ error: READ_ONLY });
        if (isAuthorized(request, token)) return;
        const challenge = 'Basic realm="indexer"';
        return reply.code(401).header('www-authenticate', challenge).send({ error: 'the token is wrong or missing' });
      });
      part.register(serverAdapter.registerPlugin());
      done();
    },
    { prefix: PATH },
  );
}

function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Returns whether a request carries the token. A request that another site made a browser send does not count. */
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
