import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type CreateAnvilOptions, createAnvil } from '@viem/anvil';
import { createPublicClient, http, type PublicClient } from 'viem';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { IndexerError, messageOf } from '../../indexer/kernel/errors.ts';
import { sleep } from '../../indexer/kernel/sleep.ts';
import { watchOver } from './watchman.ts';

/** How a local chain is started. */
export type AnvilOptions = {
  /** `manual` (the default) mines when told to, `auto` a block per transaction, a number every so many seconds. */
  readonly mining?: 'manual' | 'auto' | number;
  readonly chainId?: number;
  /** Unix time of the genesis block; the clock's where it is not given. */
  readonly timestamp?: number;
  /** Seconds between the timestamps of blocks, instead of the clock's. */
  readonly timestampInterval?: number;
  /** Finalized lies two epochs behind the head. */
  readonly slotsInAnEpoch?: number;
  readonly accounts?: number;
  readonly port?: number;
  /** More arguments of the program. */
  readonly args?: readonly string[];
};

/** A transaction for one of the node's unlocked accounts; without `gas` the node estimates, and refuses one that reverts. */
export type Transaction = {
  readonly from: Hex;
  readonly to?: Hex | undefined;
  readonly data?: Hex;
  readonly value?: bigint;
  readonly gas?: bigint;
};

/** A transaction's receipt, as viem gives it. */
export type Receipt = Awaited<ReturnType<PublicClient['getTransactionReceipt']>>;

/** A real local chain in a process of its own. */
export type Anvil = {
  readonly url: string;
  readonly wsUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly chainId: number;
  /** Unlocked and rich, in lower case. */
  readonly accounts: readonly Hex[];
  /** Reads without a cache: what it says is of now. */
  readonly client: PublicClient;
  /** Any JSON-RPC method; throws with the node's words. */
  request<T = unknown>(method: string, ...params: readonly unknown[]): Promise<T>;
  /** Hands a transaction in and gives its hash. */
  send(transaction: Transaction): Promise<Hex>;
  /** Sends, has it mined and gives the receipt, that of a reverted one too. */
  execute(transaction: Transaction): Promise<Receipt>;
  mine(blocks?: number): Promise<void>;
  /** Mines every so many seconds from now on; 0 stops that. */
  setIntervalMining(seconds: number): Promise<void>;
  /**
   * Replaces the newest `depth` blocks by as many others. A replacement says in which of them, from 0, its transaction goes;
   * without any the blocks are empty, and may be the same as before where those were empty too.
   */
  reorg(
    depth: number,
    replacements?: readonly { readonly transaction: Transaction; readonly block: number }[],
  ): Promise<void>;
  /** Takes the newest `depth` blocks away. */
  rollback(depth: number): Promise<void>;
  /** Stops the process where it stands, as a node that accepts and never answers; `resume` lets it go on. */
  freeze(): void;
  resume(): void;
  /** Ends the process and removes what it kept on disk. Safe to repeat. */
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
const RECEIPT_TIMEOUT_MS = 10_000;
const require = createRequire(import.meta.url);

/** What tells the process apart that `createAnvil` started and keeps to itself: a shell says its id and becomes the node. */
const SAY_PID = 'echo "pid $$" && exec "$0" "$@"';

/**
 * Starts Anvil on a free port of the loopback interface.
 *
 * @throws IndexerError when the program is not installed or does not start
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const anvilBinary = binary();
  const scratch = await mkdtemp(join(tmpdir(), 'indexer-anvil-'));
  const node = createAnvil({
    ...settingsOf(options),
    anvilBinary,
    startTimeout: START_TIMEOUT_MS,
    execArgs: ([program, args, execution]) => [
      '/bin/sh',
      ['-c', SAY_PID, program, ...args, '--cache-path', scratch, ...extrasOf(options)],
      // In a session of its own, so that Ctrl-C on the terminal reaches our program first.
      { ...execution, stdin: 'ignore', buffer: false, detached: true, cleanup: false },
    ],
  });
  let said = '';
  const unlisten = node.on('stdout', (text) => {
    said += text;
  });
  const exited = new Promise<void>((resolve) => node.on('exit', () => resolve()));
  try {
    await node.start();
    unlisten();
  } catch (cause) {
    await rm(scratch, { recursive: true, force: true });
    throw new IndexerError(`Anvil did not start: ${messageOf(cause)}`, { cause, context: { said: node.logs } });
  }
  const running = { pid: numberIn(said, /^pid (\d+)$/m), port: numberIn(said, /^Listening on .*:(\d+)$/m) };
  const stop = stopper(running.pid, exited, scratch);
  try {
    return await connect(running, options, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Ends the node by its id: `createAnvil`'s own way leaves a timer that would keep our process for ten more seconds. */
function stopper(pid: number, exited: Promise<void>, scratch: string): () => Promise<void> {
  const unwatch = watchOver(pid, scratch);
  let running = true;
  void exited.then(() => {
    running = false;
  });
  return async () => {
    if (running) {
      process.kill(pid, 'SIGCONT');
      process.kill(pid, 'SIGTERM');
      const timer = setTimeout(() => process.kill(pid, 'SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    }
    unwatch();
    await rm(scratch, { recursive: true, force: true });
  };
}

function settingsOf(options: AnvilOptions): CreateAnvilOptions {
  const mining = options.mining ?? 'manual';
  return {
    ...{ host: '127.0.0.1', port: options.port ?? 0, chainId: options.chainId ?? 31_337 },
    ...{ accounts: options.accounts ?? 20, timestamp: options.timestamp },
    ...(mining === 'manual' ? { noMining: true } : mining === 'auto' ? {} : { blockTime: mining }),
  };
}

/** The arguments that `createAnvil` does not know. */
function extrasOf({ slotsInAnEpoch, args = [] }: AnvilOptions): string[] {
  return [...(slotsInAnEpoch === undefined ? [] : ['--slots-in-an-epoch', String(slotsInAnEpoch)]), ...args];
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new IndexerError('Anvil did not say where it runs', { context: { text } });
  return Number(found);
}

/** The program itself: the package's `bin` is a wrapper, which would leave it behind when killed. */
function binary(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const system = process.platform === 'win32' ? 'win32' : process.platform;
  const name = `@foundry-rs/anvil-${system}-${architecture}`;
  try {
    const wrapper = createRequire(require.resolve('@foundry-rs/anvil/package.json'));
    return join(dirname(wrapper.resolve(`${name}/package.json`)), 'bin', system === 'win32' ? 'anvil.exe' : 'anvil');
  } catch (cause) {
    throw new IndexerError(`${name} is not installed: this needs a checkout with its development packages`, { cause });
  }
}

async function connect(
  { pid, port }: { readonly pid: number; readonly port: number },
  options: AnvilOptions,
  stop: () => Promise<void>,
): Promise<Anvil> {
  const url = `http://127.0.0.1:${port}`;
  const request = requester(url);
  if (options.timestampInterval !== undefined) {
    await request('anvil_setBlockTimestampInterval', options.timestampInterval);
  }
  const accounts = (await request<Hex[]>('eth_accounts')).map((account) => account.toLowerCase() as Hex);
  const client = createPublicClient({ transport: http(url, { retryCount: 0 }), cacheTime: 0 });
  const send = async (transaction: Transaction): Promise<Hex> => request<Hex>('eth_sendTransaction', wire(transaction));
  const mine = async (blocks = 1): Promise<void> => {
    await request('anvil_mine', `0x${blocks.toString(16)}`);
  };
  return {
    url,
    wsUrl: `ws://127.0.0.1:${port}`,
    port,
    pid,
    chainId: options.chainId ?? 31_337,
    accounts,
    client,
    request,
    send,
    mine,
    stop,
    execute: async (transaction) => {
      const hash = await send(transaction);
      const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined);
      if (receipt !== undefined) return receipt;
      await mine();
      return receiptOf(client, hash);
    },
    setIntervalMining: async (seconds) => void (await request('evm_setIntervalMining', seconds)),
    reorg: async (depth, replacements = []) => {
      const pairs = replacements.map(({ transaction, block }) => [wire({ gas: 3_000_000n, ...transaction }), block]);
      await request('anvil_reorg', depth, pairs);
    },
    rollback: async (depth) => void (await request('anvil_rollback', depth)),
    freeze: () => void process.kill(pid, 'SIGSTOP'),
    resume: () => void process.kill(pid, 'SIGCONT'),
  };
}

async function receiptOf(client: PublicClient, hash: Hex): Promise<Receipt> {
  const deadline = Date.now() + RECEIPT_TIMEOUT_MS;
  for (;;) {
    const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined);
    if (receipt !== undefined) return receipt;
    if (Date.now() > deadline) throw new IndexerError(`transaction ${hash} was not mined`);
    await sleep(20);
  }
}

function requester(url: string): Anvil['request'] {
  return async <T>(method: string, ...params: readonly unknown[]): Promise<T> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const answer = (await response.json()) as { result?: T; error?: { message: string } };
    if (answer.error !== undefined)
      throw new IndexerError(`${method}: ${answer.error.message}`, { context: { params } });
    return answer.result as T;
  };
}

function wire({ from, to, data, value, gas }: Transaction): Record<string, unknown> {
  return {
    from,
    ...(to === undefined ? {} : { to }),
    ...(data === undefined ? {} : { data }),
    ...(value === undefined ? {} : { value: `0x${value.toString(16)}` }),
    ...(gas === undefined ? {} : { gas: `0x${gas.toString(16)}` }),
  };
}
