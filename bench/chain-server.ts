import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { WebSocket } from 'ws';
import { type Handlers, serveParent } from './child-server.ts';
import { Generator, type ServedChain } from './generator.ts';
import { QuietChain } from './quiet-chain.ts';
import { CHAIN_ID, SIZES } from './world.ts';

/**
 * A node that serves the chain of a benchmark: JSON-RPC over HTTP and WebSocket on one port, in a process of its own. Answers are
 * assembled from JSON text that was made in advance. Prints its port as one line of JSON when it is ready, and exits when its standard
 * input ends.
 *
 * It has these methods besides those of a node:
 *
 * - `bench_head` sets the head and the finalized block, and announces the head.
 * - `bench_follow` announces the next block, and then each block up to a given one when the logs of the block before are requested.
 * - `bench_latency` sets the delay of every answer over HTTP, in milliseconds.
 * - `bench_first` returns when logs were first requested since `bench_head`, in milliseconds since 1970.
 */
type Request = { readonly id: unknown; readonly method: string; readonly params?: readonly unknown[] };
type Filter = {
  readonly fromBlock?: string;
  readonly toBlock?: string;
  readonly blockHash?: string;
  readonly address?: unknown;
};

class MethodNotFound extends Error {}

/** A result that is JSON text already. */
class JsonText {
  readonly parts: readonly Buffer[];

  constructor(...parts: readonly Buffer[]) {
    this.parts = parts;
  }
}

class ChainServer implements Handlers {
  readonly #chain: ServedChain;
  readonly #subscribers = new Set<WebSocket>();
  #head: number;
  #finalized: number;
  /** The last block that `bench_follow` announces; undefined before its first call. */
  #followTo: number | undefined;
  #firstLogsAt: number | undefined;
  #latencyMs = 0;

  constructor(chain: ServedChain) {
    this.#chain = chain;
    this.#head = chain.world.options.blocks;
    this.#finalized = this.#head;
  }

  receive(message: string, socket: WebSocket): void {
    socket.send(Buffer.concat(this.#replies(JSON.parse(message), socket)).toString('latin1'));
  }

  closed(socket: WebSocket): void {
    this.#subscribers.delete(socket);
  }

  async answer(request: string, response: ServerResponse): Promise<void> {
    const body = this.#replies(JSON.parse(request) as Request | Request[]);
    if (this.#latencyMs > 0) await wait(this.#latencyMs);
    const length = body.reduce((sum, part) => sum + part.length, 0);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
    response.cork();
    for (const part of body) response.write(part);
    response.end();
  }

  /** Returns the parts of an HTTP body. The logs of a single request are not copied. */
  #replies(requests: Request | readonly Request[], socket?: WebSocket): readonly Buffer[] {
    if ('method' in requests) return this.#reply(requests, socket);
    const replies = requests.map((request) => this.#reply(request, socket));
    return [
      Buffer.concat([Buffer.from('['), ...joined(replies.map((parts) => Buffer.concat(parts))), Buffer.from(']')]),
    ];
  }

  #reply({ id, method, params = [] }: Request, socket?: WebSocket): readonly Buffer[] {
    try {
      const result = this.#resultOf(method, params, socket);
      const parts = result instanceof JsonText ? result.parts : [Buffer.from(JSON.stringify(result))];
      return [Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`), ...parts, Buffer.from('}')];
    } catch (error) {
      const code = error instanceof MethodNotFound ? -32601 : -32603;
      return [Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: (error as Error).message } }))];
    }
  }

  #resultOf(method: string, params: readonly unknown[], socket?: WebSocket): unknown {
    switch (method) {
      case 'eth_chainId':
        return `0x${CHAIN_ID.toString(16)}`;
      case 'eth_blockNumber':
        return `0x${this.#head.toString(16)}`;
      case 'eth_getBlockByNumber':
        return this.#header(this.#numberOf(String(params[0])));
      case 'eth_getBlockByHash':
        return this.#header(this.#chain.world.blockOf(String(params[0])));
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
      case 'bench_first':
        return this.#firstLogsAt ?? null;
      default:
        throw new MethodNotFound(`the method ${method} does not exist/is not available`);
    }
  }

  /** Returns when the head was announced, in milliseconds since 1970. */
  #moveTo(head: number, finalized: number): number {
    this.#head = head;
    this.#finalized = finalized;
    this.#firstLogsAt = undefined;
    return this.#announce();
  }

  #announce(): number {
    const header = this.#chain.header(this.#head).toString('latin1');
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

  #header(number: number | undefined): JsonText | null {
    return number === undefined || number > this.#head ? null : new JsonText(this.#chain.header(number));
  }

  /** Makes the receipts of a block. They are requested only where a bloom filter matches a contract by chance. */
  #receipts(number: number | undefined): unknown {
    if (number === undefined) return null;
    const logs = JSON.parse(`[${Buffer.concat(joined(this.#chain.allLogs(number, number)))}]`) as {
      transactionHash: string;
      blockHash: string;
    }[];
    return [...Map.groupBy(logs, (log) => log.transactionHash)].map(([transactionHash, ownLogs]) => ({
      transactionHash,
      blockHash: ownLogs[0]?.blockHash,
      status: '0x1',
      logs: ownLogs,
    }));
  }

  /**
   * Answers with the logs of all followed contracts, because every filter of the indexer that names addresses names all of these. A filter
   * without addresses also gets the logs of other contracts. Topics are ignored, because all logs have topics that the indexer requests.
   */
  #logs({ fromBlock, toBlock, blockHash, address }: Filter): JsonText {
    this.#firstLogsAt ??= performance.timeOrigin + performance.now();
    const byHash = blockHash === undefined ? undefined : this.#chain.world.blockOf(blockHash);
    if (blockHash !== undefined && (byHash === undefined || byHash > this.#head)) throw new Error('unknown block');
    const from = byHash ?? Number(fromBlock);
    const to = Math.min(byHash ?? Number(toBlock), this.#head);
    const logs = address === undefined ? this.#chain.allLogs(from, to) : this.#chain.logs(from, to);
    if (byHash === this.#head && this.#followTo !== undefined && this.#head < this.#followTo) {
      this.#head += 1;
      // The announcement follows this answer.
      setImmediate(() => this.#announce());
    }
    return new JsonText(Buffer.from('['), ...joined(logs), Buffer.from(']'));
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
    stride: { type: 'string', default: String(SIZES.stride) },
    holders: { type: 'string', default: String(SIZES.holders) },
    tokens: { type: 'string', default: String(SIZES.tokens) },
    seed: { type: 'string', default: String(SIZES.seed) },
  },
});
const options = {
  events: Number(values.events),
  blocks: Number(values.blocks),
  stride: Number(values.stride),
  holders: Number(values.holders),
  tokens: Number(values.tokens),
  seed: Number(values.seed),
};
await serveParent(new ChainServer(options.stride === 1 ? new Generator(options) : new QuietChain(options)));
