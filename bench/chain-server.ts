import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type WebSocket, WebSocketServer } from 'ws';
import { Generator } from './generator.ts';
import { CHAIN_ID, SIZES } from './world.ts';

/**
 * A node that serves the chain of a benchmark: JSON-RPC over HTTP and WebSocket on one port, in a process of its own. Answers
 * are put together from text that was made before. Prints its port as one line of JSON when it is ready, and ends when its
 * standard input does.
 *
 * Besides a node's methods it knows: `bench_head` (newest block, newest final block; announces the newest), `bench_follow`
 * (from then on each block is announced when the logs of the one before are asked for), `bench_latency` (how many milliseconds
 * every answer over HTTP takes), `bench_expected` and `bench_first` (when the first logs were asked for, in milliseconds since
 * 1970).
 */
type Request = { readonly id: unknown; readonly method: string; readonly params?: readonly unknown[] };
type Filter = { readonly fromBlock?: string; readonly toBlock?: string; readonly blockHash?: string };

class MethodNotFound extends Error {}

/** An answer that is text of JSON already. */
class Ready {
  readonly parts: readonly Buffer[];

  constructor(...parts: readonly Buffer[]) {
    this.parts = parts;
  }
}

class ChainServer {
  readonly #generator: Generator;
  readonly #numbers = new Map<string, number>();
  readonly #subscribers = new Set<WebSocket>();
  #head: number;
  #finalized: number;
  /** Blocks are announced one by one up to this one; undefined where that is not asked for. */
  #followTo: number | undefined;
  #firstLogsAt: number | undefined;
  #latencyMs = 0;

  constructor(generator: Generator) {
    this.#generator = generator;
    this.#head = generator.world.options.blocks;
    this.#finalized = this.#head;
    for (let block = 0; block <= this.#head; block++) this.#numbers.set(generator.world.blockHash(block), block);
  }

  /** Resolves with the port. */
  async listen(): Promise<number> {
    const server = createServer((request, response) => {
      this.#http(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    server.keepAliveTimeout = 60_000;
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (message) =>
        socket.send(Buffer.concat(this.#replies(JSON.parse(String(message)), socket)).toString('latin1')),
      );
      socket.on('close', () => this.#subscribers.delete(socket));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  async #http(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked = JSON.parse(Buffer.concat(chunks).toString()) as Request | Request[];
    const body = this.#replies(asked);
    if (this.#latencyMs > 0) await wait(this.#latencyMs);
    const length = body.reduce((sum, part) => sum + part.length, 0);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
    response.cork();
    for (const part of body) response.write(part);
    response.end();
  }

  /** The parts of an answer; what is large is not copied. */
  #replies(asked: Request | readonly Request[], socket?: WebSocket): readonly Buffer[] {
    if ('method' in asked) return this.#reply(asked, socket);
    const replies = asked.map((one) => this.#reply(one, socket));
    return [
      Buffer.concat([Buffer.from('['), ...joined(replies.map((parts) => Buffer.concat(parts))), Buffer.from(']')]),
    ];
  }

  #reply({ id, method, params = [] }: Request, socket?: WebSocket): readonly Buffer[] {
    try {
      const result = this.#answer(method, params, socket);
      const parts = result instanceof Ready ? result.parts : [Buffer.from(JSON.stringify(result))];
      return [Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`), ...parts, Buffer.from('}')];
    } catch (error) {
      const code = error instanceof MethodNotFound ? -32601 : -32603;
      return [Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: (error as Error).message } }))];
    }
  }

  #answer(method: string, params: readonly unknown[], socket?: WebSocket): unknown {
    switch (method) {
      case 'eth_chainId':
        return `0x${CHAIN_ID.toString(16)}`;
      case 'eth_blockNumber':
        return `0x${this.#head.toString(16)}`;
      case 'eth_getBlockByNumber':
        return this.#header(this.#numberOf(String(params[0])));
      case 'eth_getBlockByHash':
        return this.#header(this.#numbers.get(String(params[0])));
      case 'eth_getLogs':
        return this.#logs(params[0] as Filter);
      case 'eth_getBlockReceipts':
        return this.#receipts(this.#numberOf(String(params[0])));
      case 'eth_getCode':
        return '0x00';
      case 'eth_subscribe':
        if (socket === undefined) throw new MethodNotFound('notifications not supported');
        this.#subscribers.add(socket);
        return '0x1';
      case 'eth_unsubscribe':
        return socket !== undefined && this.#subscribers.delete(socket);
      case 'bench_head':
        return this.#moveTo(Number(params[0]), Number(params[1]));
      case 'bench_follow':
        this.#followTo = Number(params[0]);
        return this.#moveTo(this.#head + 1, this.#finalized);
      case 'bench_latency':
        this.#latencyMs = Number(params[0]);
        return null;
      case 'bench_expected':
        return this.#generator.expected(Number(params[0]));
      case 'bench_first':
        return this.#firstLogsAt ?? null;
      default:
        throw new MethodNotFound(`the method ${method} does not exist/is not available`);
    }
  }

  /** Returns when it was announced, in milliseconds since 1970. */
  #moveTo(head: number, finalized: number): number {
    this.#head = head;
    this.#finalized = finalized;
    this.#firstLogsAt = undefined;
    return this.#announce();
  }

  #announce(): number {
    const header = this.#generator.header(this.#head).toString('latin1');
    const at = performance.timeOrigin + performance.now();
    for (const socket of this.#subscribers) {
      socket.send(`{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":${header}}}`);
    }
    return at;
  }

  #numberOf(name: string): number | undefined {
    const number = name === 'latest' ? this.#head : name === 'finalized' ? this.#finalized : Number(name);
    return number <= this.#head ? number : undefined;
  }

  #header(number: number | undefined): Ready | null {
    return number === undefined || number > this.#head ? null : new Ready(this.#generator.header(number));
  }

  /** Rarely asked for (where a bloom holds a contract by chance), so made on the spot. */
  #receipts(number: number | undefined): unknown {
    if (number === undefined) return null;
    const logs = JSON.parse(`[${Buffer.concat(joined(this.#generator.logs(number, number)))}]`) as {
      transactionHash: string;
      blockHash: string;
    }[];
    return [...Map.groupBy(logs, (log) => log.transactionHash)].map(([transactionHash, its]) => ({
      transactionHash,
      blockHash: its[0]?.blockHash,
      status: '0x1',
      logs: its,
    }));
  }

  /** The filter's addresses and topics are those of the whole chain: every log of a block fits. */
  #logs({ fromBlock, toBlock, blockHash }: Filter): Ready {
    this.#firstLogsAt ??= performance.timeOrigin + performance.now();
    const one = blockHash === undefined ? undefined : this.#numbers.get(blockHash);
    if (blockHash !== undefined && (one === undefined || one > this.#head)) throw new Error('unknown block');
    const from = one ?? Number(fromBlock);
    const to = Math.min(one ?? Number(toBlock), this.#head);
    const logs = this.#generator.logs(from, to);
    if (one === this.#head && this.#followTo !== undefined && this.#head < this.#followTo) {
      this.#head += 1;
      // After this answer has left.
      setImmediate(() => this.#announce());
    }
    return new Ready(Buffer.from('['), ...joined(logs), Buffer.from(']'));
  }
}

function joined(parts: readonly Buffer[]): readonly Buffer[] {
  const comma = Buffer.from(',');
  return parts.flatMap((part, index) => (index === 0 ? [part] : [comma, part]));
}

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: String(SIZES.events) },
    blocks: { type: 'string', default: String(SIZES.blocks) },
    holders: { type: 'string', default: String(SIZES.holders) },
    tokens: { type: 'string', default: String(SIZES.tokens) },
    seed: { type: 'string', default: String(SIZES.seed) },
  },
});
const server = new ChainServer(
  new Generator({
    events: Number(values.events),
    blocks: Number(values.blocks),
    holders: Number(values.holders),
    tokens: Number(values.tokens),
    seed: Number(values.seed),
  }),
);
const port = await server.listen();
process.stdout.write(`${JSON.stringify({ port })}\n`);
process.stdin.resume().on('end', () => process.exit(0));
