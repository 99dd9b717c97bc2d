import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { type FastifyInstance, fastify } from 'fastify';

/** Queues of BullMQ. */
export type BoardQueues = readonly ConstructorParameters<typeof BullMQAdapter>[0][];

/** Bull Board (a web page that shows queues), in its own server. That server listens on no port; requests are passed to it. */
export type QueueBoard = {
  readonly app: FastifyInstance;
  /** Replaces the shown queues. */
  show(queues: BoardQueues): void;
};

/** Creates Bull Board under a path. In read-only mode the page offers no changes. The body of a request has at most `bodyLimit` bytes. */
export async function createQueueBoard(path: string, readOnlyMode: boolean, bodyLimit: number): Promise<QueueBoard> {
  const serverAdapter = new FastifyAdapter().setBasePath(path);
  const board = createBullBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'indexer', hideRedisDetails: true } },
  });
  const app = fastify({ bodyLimit });
  await app.register(serverAdapter.registerPlugin(), { prefix: path });
  await app.ready();
  return {
    app,
    show: (queues) => board.setQueues(queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode }))),
  };
}
