import { getSocketRpcClient, type SocketRpcClient } from 'viem/utils';
import { WebSocket } from 'ws';
import { outcomeOf } from './http.ts';
import { orAborted } from './limit.ts';
import { MAX_BLOCK_BYTES, type Outcome, type Transport } from './transport.ts';

/** A socket whose peer answers no ping within this time is given up. */
const PING_INTERVAL_MS = 15_000;

type Client = SocketRpcClient<WebSocket>;

/**
 * JSON-RPC over WebSocket through viem's client over a socket of our own, whose handshake and messages are bounded and
 * whose peer must answer pings. It connects when first asked, and again after a loss: viem's own reconnecting, which gives
 * up after five times and prints to the console, is off.
 */
export function connectSocket(url: string, name: string, timeoutMs: number): Transport {
  let connecting: Promise<Client> | undefined;
  let closed = false;

  function forget(lost: Promise<Client>): void {
    if (connecting === lost) connecting = undefined;
    lost.then(
      (client) => client.close(),
      () => undefined,
    );
  }

  function connect(): Promise<Client> {
    if (closed) return Promise.reject(new Error('the endpoint was closed'));
    if (connecting !== undefined) return connecting;
    const attempt: Promise<Client> = open(url, name, timeoutMs, () => forget(attempt));
    attempt.catch(() => forget(attempt));
    connecting = attempt;
    return attempt;
  }

  return {
    async request(method, params, { signal }): Promise<Outcome> {
      try {
        const client = await orAborted(connect(), signal);
        const body = { method, params: params as unknown[] };
        return outcomeOf(await orAborted(client.requestAsync({ body, timeout: timeoutMs }), signal));
      } catch (error) {
        if (signal.aborted) return { failure: { how: 'aborted', text: '' } };
        const text = reasonOf(error);
        const tooLarge = /max payload size/i.test(text) && /^eth_get(?:Logs|BlockReceipts)$/.test(method);
        return { failure: { how: tooLarge ? 'too-large' : 'broken', text } };
      }
    },
    async subscribe(onHead, onLost) {
      const client = await connect();
      let ended = false;
      const lost = (error: unknown) => {
        if (!ended) onLost(reasonOf(error));
        ended = true;
      };
      const id = await subscribed(client, timeoutMs, (head) => !ended && onHead(head), lost);
      return () => {
        ended = true;
        if (client.socket.readyState !== WebSocket.OPEN) return;
        client.request({ body: { method: 'eth_unsubscribe', params: [id] }, onResponse: () => undefined });
      };
    },
    close() {
      closed = true;
      if (connecting !== undefined) forget(connecting);
    },
  };
}

async function open(url: string, name: string, timeoutMs: number, onGone: () => void): Promise<Client> {
  return getSocketRpcClient<WebSocket>({
    // viem keeps clients by key and URL: the name stands in for the URL, which holds secrets, and the key makes it ours.
    key: crypto.randomUUID(),
    url: name,
    reconnect: false,
    keepAlive: { interval: PING_INTERVAL_MS },
    async getSocket({ onClose, onError, onOpen, onResponse }) {
      const socket = new WebSocket(url, { maxPayload: MAX_BLOCK_BYTES, handshakeTimeout: timeoutMs });
      const terminate = socket.terminate.bind(socket);
      let answered = true;
      socket.on('pong', () => {
        answered = true;
      });
      socket.on('message', (message) => {
        try {
          onResponse(JSON.parse(String(message)));
        } catch (error) {
          onError(error as Error);
          terminate();
        }
      });
      socket.on('error', (error) => onError(error));
      socket.on('close', () => {
        onClose();
        onGone();
      });
      const ping = socket.ping.bind(socket);
      await new Promise<void>((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('the socket closed before it opened')));
      });
      onOpen();
      return Object.assign(socket, {
        close: terminate,
        ping() {
          if (!answered) return terminate();
          answered = false;
          if (socket.readyState === WebSocket.OPEN) ping();
        },
        request({ body }: { body: object }) {
          if (socket.readyState !== WebSocket.OPEN) throw new Error('the socket is closed');
          socket.send(JSON.stringify(body));
        },
      });
    },
  });
}

/** Resolves with the subscription's id. */
function subscribed(
  client: Client,
  timeoutMs: number,
  onHead: (head: unknown) => void,
  onLost: (error: unknown) => void,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), timeoutMs);
    const fail = (error: unknown) => {
      clearTimeout(timer);
      reject(error instanceof Error ? error : new Error(reasonOf(error)));
      onLost(error);
    };
    client.request({
      body: { method: 'eth_subscribe', params: ['newHeads'] },
      onError: fail,
      onResponse(response) {
        const { method, params, error, result } = response as unknown as {
          method?: string;
          params?: { result?: unknown };
          error?: { message?: string };
          result?: unknown;
        };
        if (method === 'eth_subscription') return onHead(params?.result);
        clearTimeout(timer);
        if (typeof result === 'string') return resolve(result);
        reject(new Error(error?.message ?? 'the subscription was refused'));
      },
    });
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof Error) return (error as { details?: string }).details ?? error.message;
  return 'the socket failed';
}
