import { WebSocket } from 'ws';
import { orAborted } from './limit.ts';
import { batchOutcomeOf, bodyOf, membersOf, outcomeOf } from './outcome.ts';
import { type BatchOutcome, type Call, type Failure, MAX_BLOCK_BYTES, type Transport } from './transport.ts';

/** A socket whose peer answers no ping within this time is given up. */
const PING_INTERVAL_MS = 15_000;

/** Requests that wait for one message: the ids of a batch count up from `id`. */
type Waiting = {
  readonly calls: number;
  readonly isBatch: boolean;
  /** Called while the message is read, before the next one is. */
  answer(message: unknown): void;
  fail(error: Error): void;
};

type Subscription = { onHead(head: unknown): void; onLost(why: string): void };

/** An open socket. */
type Link = {
  send(body: string, id: number, waiting: Waiting): void;
  forget(id: number): void;
  readonly subscriptions: Map<unknown, Subscription>;
  isOpen(): boolean;
  close(): void;
};

/**
 * JSON-RPC over WebSocket. The handshake and every message are bounded, and the peer must answer pings. It connects when
 * first asked, and again after a loss.
 */
export function connectSocket(url: string, timeoutMs: number): Transport {
  let connecting: Promise<Link> | undefined;
  let closed = false;
  let nextId = 1;

  function connect(): Promise<Link> {
    if (closed) return Promise.reject(new Error('the endpoint was closed'));
    if (connecting !== undefined) return connecting;
    const attempt: Promise<Link> = open(url, timeoutMs, () => forget(attempt));
    attempt.catch(() => forget(attempt));
    connecting = attempt;
    return attempt;
  }

  function forget(lost: Promise<Link>): void {
    if (connecting === lost) connecting = undefined;
    lost.then(
      (link) => link.close(),
      () => undefined,
    );
  }

  async function exchange<T>(
    link: Link,
    calls: Call | readonly Call[],
    signal: AbortSignal | undefined,
    read: (message: unknown, id: number) => T,
  ): Promise<T> {
    const id = nextId;
    const isBatch = Array.isArray(calls);
    const count = isBatch ? calls.length : 1;
    nextId += count;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<T>((resolve, fail) => {
      timer = setTimeout(() => fail(new Error('no answer in time')), timeoutMs);
      const waiting = { calls: count, isBatch, answer: (message: unknown) => resolve(read(message, id)), fail };
      link.send(bodyOf(calls, id), id, waiting);
    });
    try {
      return await orAborted(answer, signal);
    } finally {
      clearTimeout(timer);
      link.forget(id);
    }
  }

  return {
    async request(call, { signal }) {
      try {
        const link = await orAborted(connect(), signal);
        return await exchange(link, call, signal, (message) => outcomeOf(message));
      } catch (error) {
        return { failure: failureOf(error, signal, /^eth_get(?:Logs|BlockReceipts)$/.test(call.method)) };
      }
    },
    async batch(calls, { signal }): Promise<BatchOutcome> {
      try {
        const link = await orAborted(connect(), signal);
        return await exchange(link, calls, signal, (message, id) => batchOutcomeOf(message, id, calls.length));
      } catch (error) {
        return { failure: failureOf(error, signal, true) };
      }
    },
    async subscribe(onHead, onLost) {
      const link = await connect();
      const subscription: Subscription = { onHead, onLost };
      const call = { method: 'eth_subscribe', params: ['newHeads'] };
      const id = await exchange(link, call, undefined, (message) => {
        const { result, error } = membersOf(message);
        if (typeof result === 'string') link.subscriptions.set(result, subscription);
        return typeof result === 'string' ? result : new Error(reasonOf(membersOf(error).message));
      });
      if (id instanceof Error) throw id;
      return () => {
        if (!link.subscriptions.delete(id) || !link.isOpen()) return;
        exchange(link, { method: 'eth_unsubscribe', params: [id] }, undefined, () => undefined).catch(() => undefined);
      };
    },
    close() {
      closed = true;
      if (connecting !== undefined) forget(connecting);
    },
  };
}

async function open(url: string, timeoutMs: number, onGone: () => void): Promise<Link> {
  const socket = new WebSocket(url, { maxPayload: MAX_BLOCK_BYTES, handshakeTimeout: timeoutMs });
  const waiting = new Map<number, Waiting>();
  const subscriptions = new Map<unknown, Subscription>();
  let pinging: NodeJS.Timeout | undefined;

  function lose(error: Error): void {
    clearInterval(pinging);
    for (const one of waiting.values()) one.fail(error);
    for (const { onLost } of subscriptions.values()) onLost(reasonOf(error));
    waiting.clear();
    subscriptions.clear();
  }

  /** A batch may be answered by one message without an id: it is the oldest's, since each would be answered so. */
  function waitingFor(message: unknown): Waiting | undefined {
    const { id } = membersOf(Array.isArray(message) ? message[0] : message);
    for (const [first, one] of waiting) {
      if (one.isBatch && (id === null || id === undefined)) return one;
      if (Number(id) >= first && Number(id) < first + one.calls) return one;
    }
    return undefined;
  }

  socket.on('message', (message) => {
    try {
      const parsed: unknown = JSON.parse(String(message));
      const { method, params } = parsed as { method?: unknown; params?: { subscription?: unknown; result?: unknown } };
      if (method === 'eth_subscription') subscriptions.get(params?.subscription)?.onHead(params?.result);
      else waitingFor(parsed)?.answer(parsed);
    } catch (error) {
      lose(error as Error);
      socket.terminate();
    }
  });
  socket.on('error', lose);
  socket.on('close', () => {
    lose(new Error('the socket was closed'));
    onGone();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the socket closed before it opened')));
  });
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  pinging = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_INTERVAL_MS);
  return {
    send(body, id, one) {
      if (socket.readyState !== WebSocket.OPEN) return one.fail(new Error('the socket is closed'));
      waiting.set(id, one);
      socket.send(body);
    },
    forget: (id) => waiting.delete(id),
    subscriptions,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    close: () => socket.terminate(),
  };
}

function failureOf(error: unknown, signal: AbortSignal, canBeLarge: boolean): Failure {
  if (signal.aborted) return { how: 'aborted', text: '' };
  const text = reasonOf(error);
  return { how: canBeLarge && /max payload size/i.test(text) ? 'too-large' : 'broken', text };
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (typeof error === 'string') return error;
  return error instanceof Error ? error.message || error.name : 'the socket failed';
}
