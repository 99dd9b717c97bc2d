import type { OracleContract } from '../test/kit/oracle/facts.ts';
import { startChildServer } from './child-server.ts';
import { type Expected, expectedAfter, type ServedLog } from './expected.ts';
import type { WorldOptions } from './world.ts';

/** A running chain server, and the requests of a benchmark to it. */
export type Chain = {
  readonly httpUrl: string;
  readonly wsUrl: string;
  /** Sets the head and the finalized block. Returns when the head was announced, in milliseconds since 1970. */
  moveTo(head: number, finalized: number): Promise<number>;
  /** Announces one block after another up to `head`, each when the logs of the block before are requested. */
  followTo(head: number): Promise<void>;
  /** Delays every answer over HTTP from now on. */
  delayAnswers(latencyMs: number): Promise<void>;
  /**
   * Computes the content that a database must have after a block, which is not above the head. It requests logs, so it must not run
   * while something is measured. Results are kept.
   */
  expectedAfter(block: number): Promise<Expected>;
  /** Returns when logs were first requested since `moveTo`, in milliseconds since 1970. */
  firstLogsAt(): Promise<number | undefined>;
  stop(): Promise<void>;
};

/**
 * Starts the chain server as a process of its own.
 *
 * @param contracts - the followed contracts, as they are registered in the databases that are filled
 */
async function startChain(options: WorldOptions, contracts: readonly OracleContract[]): Promise<Chain> {
  const { httpUrl, wsUrl, call, stop } = await startChildServer('chain-server.ts', options);
  const hex = (block: number) => `0x${block.toString(16)}`;
  const address = contracts.map((contract) => contract.address);
  const readLogs = async (from: number, to: number) =>
    (await call('eth_getLogs', { fromBlock: hex(from), toBlock: hex(to), address })) as ServedLog[];
  const expected = new Map<number, Expected>();
  return {
    httpUrl,
    wsUrl,
    moveTo: async (head, finalized) => Number(await call('bench_head', head, finalized)),
    async followTo(head) {
      await call('bench_follow', head);
    },
    async delayAnswers(latencyMs) {
      await call('bench_latency', latencyMs);
    },
    async expectedAfter(block) {
      const known = expected.get(block) ?? (await expectedAfter(block, contracts, readLogs));
      expected.set(block, known);
      return known;
    },
    async firstLogsAt() {
      const at = await call('bench_first');
      return at === null ? undefined : Number(at);
    },
    stop,
  };
}

/** Runs some work with a chain, and stops the chain afterwards. */
export async function withChain<T>(
  options: WorldOptions,
  contracts: readonly OracleContract[],
  work: (chain: Chain) => Promise<T>,
): Promise<T> {
  const chain = await startChain(options, contracts);
  try {
    return await work(chain);
  } finally {
    await chain.stop();
  }
}
