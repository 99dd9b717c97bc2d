import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Expected } from './ledger.ts';
import type { WorldOptions } from './world.ts';

/** The chain server's process, and what a benchmark asks of it. */
export type Chain = {
  readonly httpUrl: string;
  readonly wsUrl: string;
  /** Sets the newest block and the newest final one; returns when it was announced (milliseconds since 1970). */
  moveTo(head: number, finalized: number): Promise<number>;
  /** Announces block after block, each when the logs of the one before were asked for. */
  followTo(head: number): Promise<void>;
  /** From now on every answer over HTTP takes so long. */
  answerAfter(ms: number): Promise<void>;
  /** What the database must hold after a block. */
  expected(block: number): Promise<Expected>;
  /** When logs were first asked for since `moveTo` (milliseconds since 1970). */
  firstLogsAt(): Promise<number | undefined>;
  stop(): Promise<void>;
};

/** Starts the chain server as a process of its own. */
export async function startChain(options: WorldOptions): Promise<Chain> {
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [fileURLToPath(new URL('chain-server.ts', import.meta.url)), ...flags], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)]);
  if (first === undefined) throw new Error('the chain server ended before it was ready');
  const { port } = JSON.parse(String(first[0])) as { port: number };
  const httpUrl = `http://127.0.0.1:${port}`;
  async function ask(method: string, ...params: unknown[]): Promise<unknown> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const response = await fetch(httpUrl, { method: 'POST', body });
    const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }
  return {
    httpUrl,
    wsUrl: `ws://127.0.0.1:${port}`,
    moveTo: async (head, finalized) => Number(await ask('bench_head', head, finalized)),
    async followTo(head) {
      await ask('bench_follow', head);
    },
    async answerAfter(ms) {
      await ask('bench_latency', ms);
    },
    expected: async (block) => (await ask('bench_expected', block)) as Expected,
    async firstLogsAt() {
      const at = await ask('bench_first');
      return at === null ? undefined : Number(at);
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
