import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../kit/random.ts';

/** The faults that a node can have. */
export const NODE_FAULTS = [
  'answers slowly',
  'limits the rate',
  'answers 502',
  'never answers',
  'truncates answers',
  'refuses ranges',
  'leaves logs out',
  'lags',
] as const;
/** One of the faults. */
export type NodeFault = (typeof NODE_FAULTS)[number];

type Call = { readonly id: unknown; readonly method: string; readonly params: unknown[] };
type Answer = { readonly id: unknown; result?: unknown; error?: unknown };

const SLOW_MS = 800;
const LAG_BLOCKS = 6;
const RANGE_BLOCKS_MAX = 5n;
/** One in this many logs is left out. */
const LOGS_LEFT_OUT = 3;

/** An RPC endpoint that forwards requests to a node and misbehaves on demand. */
export class FaultyNode {
  /** The current fault. */
  fault: NodeFault | undefined;
  readonly #target: string;
  readonly #random: Random;
  readonly #server: Server = createServer((request, response) => {
    // A client that disconnects is not a failure.
    this.#answer(request, response).catch(() => response.destroy());
  });

  private constructor(target: string, random: Random) {
    this.#target = target;
    this.#random = random;
  }

  /** Begins to serve the node at a URL. */
  static async before(target: string, random: Random): Promise<FaultyNode> {
    const node = new FaultyNode(target, random);
    await new Promise<void>((resolve) => node.#server.listen(0, '127.0.0.1', resolve));
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends the fault, and closes the connections of requests that the fault left without a response. */
  heal(): void {
    if (this.fault === 'never answers') this.#server.closeAllConnections();
    this.fault = undefined;
  }

  /** Stops serving. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { fault } = this;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (fault === 'never answers') return;
    if (fault === 'answers slowly') await wait(SLOW_MS);
    if (fault === 'limits the rate') return void response.writeHead(429).end('too many requests');
    if (fault === 'answers 502') return void response.writeHead(502).end('<html>Bad Gateway</html>');
    const asked: Call | Call[] = JSON.parse(Buffer.concat(chunks).toString());
    const calls = [asked].flat();
    const answers = await this.#forward(calls.map((call) => this.#changeCall(call, fault)));
    const changed = calls.map((call, i) => this.#changeAnswer(call, answers[i] as Answer, fault));
    const body = JSON.stringify(Array.isArray(asked) ? changed : changed[0]);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(fault === 'truncates answers' ? body.slice(0, body.length / 2) : body);
  }

  async #forward(calls: readonly Call[]): Promise<readonly Answer[]> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(this.#target, { method: 'POST', headers, body: JSON.stringify(calls) });
    const answers = (await response.json()) as Answer[];
    return calls.map(({ id }) => answers.find((answer) => answer.id === id) as Answer);
  }

  #changeCall(call: Call, fault: NodeFault | undefined): Call {
    if (fault !== 'lags' || !call.params.includes('latest')) return call;
    // Anvil cannot serve an older block as `latest`, so the node simulates a lag by answering for `finalized` instead.
    return { ...call, params: call.params.map((param) => (param === 'latest' ? 'finalized' : param)) };
  }

  #changeAnswer({ method, params }: Call, answer: Answer, fault: NodeFault | undefined): Answer {
    if (fault === 'lags' && method === 'eth_blockNumber') {
      const number = BigInt(String(answer.result)) - BigInt(LAG_BLOCKS);
      return { ...answer, result: `0x${(number < 0n ? 0n : number).toString(16)}` };
    }
    if (method !== 'eth_getLogs' || !Array.isArray(answer.result)) return answer;
    if (fault === 'leaves logs out') {
      return { ...answer, result: answer.result.filter(() => !this.#random.onceIn(LOGS_LEFT_OUT)) };
    }
    const { fromBlock, toBlock } = params[0] as { readonly fromBlock?: string; readonly toBlock?: string };
    if (fault === 'refuses ranges' && fromBlock !== undefined && toBlock !== undefined) {
      const isWide = BigInt(toBlock) - BigInt(fromBlock) + 1n > RANGE_BLOCKS_MAX;
      if (isWide) return { id: answer.id, error: { code: -32005, message: 'query returned more than 10000 results' } };
    }
    return answer;
  }
}
