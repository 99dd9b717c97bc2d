import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import { sleep, within } from '../kernel/sleep.ts';

/** How often listeners get the state of the process. It is read once for all listeners, and not at all while there are none. */
const INTERVAL_MS = 1_000;
/**
 * If reading the state takes longer than this, listeners get the event `outage`. A read may wait instead of failing while a database
 * connection is replaced.
 */
const READ_TIMEOUT_MS = 10_000;
const OUTAGE = 'event: outage\ndata: {}\n\n';
/** The maximum number of listeners. Further ones are refused, so that open pages cannot exhaust the process. */
const LISTENERS_MAX = 100;
/** A listener with more unread bytes than this is disconnected. A browser then connects again. */
const UNREAD_BYTES_MAX = 1_000_000;

/** Sends the state of the process to the listeners of `/events`, as server-sent events (HTML standard, 9.2). */
export class EventStream {
  readonly #read: () => Promise<unknown>;
  readonly #listeners = new Set<FastifyReply['raw']>();
  readonly #closed = new AbortController();
  #sending: Promise<void> | undefined;
  #reading: Promise<string> | undefined;

  /** @param read returns the state, which is sent as JSON */
  constructor(read: () => Promise<unknown>) {
    this.#read = read;
  }

  /** Answers a request with a stream of events. The stream ends when the client disconnects or `close` is called. */
  open(request: IncomingMessage, reply: FastifyReply): void {
    if (this.#listeners.size >= LISTENERS_MAX) {
      reply.code(503).send({ error: 'too many listeners' });
      return;
    }
    reply.hijack();
    const response = reply.raw;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.write('retry: 2000\n\n');
    this.#listeners.add(response);
    request.once('close', () => this.#listeners.delete(response));
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Ends the responses to all listeners. */
  close(): void {
    this.#closed.abort();
    for (const response of this.#listeners) response.end();
    this.#listeners.clear();
  }

  async #send(): Promise<void> {
    const { signal } = this.#closed;
    while (this.#listeners.size > 0 && !signal.aborted) {
      // If a read exceeds the timeout, the next turn awaits the same read, so that no second read begins.
      this.#reading ??= this.#readEvent().finally(() => {
        this.#reading = undefined;
      });
      const event = (await within(READ_TIMEOUT_MS, this.#reading, signal)) ?? OUTAGE;
      for (const response of this.#listeners) {
        if (response.writableLength > UNREAD_BYTES_MAX) response.destroy();
        else response.write(event);
      }
      await sleep(INTERVAL_MS, signal);
    }
  }

  async #readEvent(): Promise<string> {
    try {
      return `event: state\ndata: ${JSON.stringify(await this.#read())}\n\n`;
    } catch {
      return OUTAGE;
    }
  }
}
