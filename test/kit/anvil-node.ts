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

/** Options for starting Anvil. */
export type AnvilOptions = {
  /** `manual` (the default) mines on request, `auto` mines a block per transaction, a number mines at this interval in seconds. */
  readonly mining?: 'manual' | 'auto' | number;
  readonly chainId?: number;
  /** Unix time of the genesis block. Default: now. */
  readonly timestamp?: number;
  /** Seconds between the timestamps of blocks. Default: timestamps follow the clock. */
  readonly timestampInterval?: number;
  /** Blocks in an epoch. The finalized block is two epochs below the head. */
  readonly slotsInAnEpoch?: number;
  readonly accounts?: number;
  readonly port?: number;
  /** Further command line arguments for Anvil. */
  readonly args?: readonly string[];
};

/** A transaction from an unlocked account. Without `gas`, the node estimates gas and rejects a transaction that reverts. */
export type Transaction = {
  readonly from: Hex;
  readonly to?: Hex | undefined;
  readonly data?: Hex;
  readonly value?: bigint;
  readonly gas?: bigint;
};

/** The receipt of a transaction, as viem returns it. */
export type Receipt = Awaited<ReturnType<PublicClient['getTransactionReceipt']>>;

/** A running Anvil node. */
export type Anvil = {
  readonly url: string;
  readonly wsUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly chainId: number;
  /** Addresses of the unlocked accounts, which have ether, in lower case. */
  readonly accounts: readonly Hex[];
  /** A viem client without a cache. */
  readonly client: PublicClient;
  /** Calls a JSON-RPC method. Throws an error with the node's message. */
  request<T = unknown>(method: string, ...params: readonly unknown[]): Promise<T>;
  /** Submits a transaction and returns its hash. */
  send(transaction: Transaction): Promise<Hex>;
  /** Submits a transaction, mines it and returns its receipt, even if it reverted. */
  execute(transaction: Transaction): Promise<Receipt>;
  mine(blocks?: number): Promise<void>;
  /** Starts mining at an interval. 0 stops it. */
  setIntervalMining(seconds: number): Promise<void>;
  /**
   * Replaces the newest `depth` blocks by the same number of other blocks. `block` of a replacement is the index, from 0, of the
   * new block that includes its transaction. A new block without transactions may be identical to an empty block that it replaces.
   */
  reorg(
    depth: number,
    replacements?: readonly { readonly transaction: Transaction; readonly block: number }[],
  ): Promise<void>;
  /** Removes the newest `depth` blocks. */
  rollback(depth: number): Promise<void>;
  /** Suspends the process, so that it accepts connections and never answers. `resume` continues it. */
  freeze(): void;
  resume(): void;
  /** Terminates the process and deletes its files. Safe to repeat. */
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
const RECEIPT_TIMEOUT_MS = 10_000;
const require = createRequire(import.meta.url);

/** Shell script that prints its process id, which `createAnvil` does not expose, and then replaces itself with the node. */
const PRINT_PID = 'echo "pid $$" && exec "$0" "$@"';

/**
 * Starts Anvil on a free port of the loopback interface.
 *
 * @throws {IndexerError} if Anvil is not installed or does not start
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
      ['-c', PRINT_PID, program, ...args, '--cache-path', scratch, ...argumentsOf(options)],
      // `detached` starts a new session, so that Ctrl-C in the terminal reaches only this program.
      { ...execution, stdin: 'ignore', buffer: false, detached: true, cleanup: false },
    ],
  });
  let stdout = '';
  const unlisten = node.on('stdout', (text) => {
    stdout += text;
  });
  const exited = new Promise<void>((resolve) => node.on('exit', () => resolve()));
  try {
    await node.start();
    unlisten();
  } catch (cause) {
    await rm(scratch, { recursive: true, force: true });
    throw new IndexerError(`Anvil did not start: ${messageOf(cause)}`, { cause, context: { logs: node.logs } });
  }
  const running = { pid: numberIn(stdout, /^pid (\d+)$/m), port: numberIn(stdout, /^Listening on .*:(\d+)$/m) };
  const stop = stopper(running.pid, exited, scratch);
  try {
    return await connect(running, options, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Returns a function that terminates the node by its process id. The `stop` of `createAnvil` leaves a timer that would keep this
 * process alive for ten more seconds.
 */
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

/** Returns the arguments for which `createAnvil` has no option. */
function argumentsOf({ slotsInAnEpoch, args = [] }: AnvilOptions): string[] {
  return [...(slotsInAnEpoch === undefined ? [] : ['--slots-in-an-epoch', String(slotsInAnEpoch)]), ...args];
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new IndexerError('Anvil did not print its process id and port', { context: { text } });
  return Number(found);
}

/** Returns the path of the Anvil binary. The `bin` of the package is a wrapper that leaves the binary running when it is killed. */
function binary(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const system = process.platform === 'win32' ? 'win32' : process.platform;
  const name = `@foundry-rs/anvil-${system}-${architecture}`;
  try {
    const wrapper = createRequire(require.resolve('@foundry-rs/anvil/package.json'));
    return join(dirname(wrapper.resolve(`${name}/package.json`)), 'bin', system === 'win32' ? 'anvil.exe' : 'anvil');
  } catch (cause) {
    throw new IndexerError(`${name} is not installed; it is a development dependency of this package`, { cause });
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
    const body = (await response.json()) as { result?: T; error?: { message: string } };
    if (body.error !== undefined) throw new IndexerError(`${method}: ${body.error.message}`, { context: { params } });
    return body.result as T;
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
