import type { BlockHeader, BlockRef, Hex, RawLog } from '../kernel/chain.ts';
import { RpcInconsistency } from '../kernel/errors.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { type Blooms, isEmptyBloom } from './bloom.ts';
import { numberLogs, readReceipts } from './receipts.ts';
import type { ReceiptRoots } from './receipts-root.ts';

/** Every log of one block, read from its receipts. */
export type BlockLogs = {
  readonly logs: readonly RawLog[];
  /** The hashes of the transactions that the block lists. */
  readonly transactions: ReadonlySet<string>;
  /** Whether the receipts root of the block proves the receipts. */
  readonly isProved: boolean;
};

/**
 * Returns every log of one block, read from the receipts of its transactions. Where the chain computes receipts roots as Ethereum does,
 * the root of the block must prove them. It is used for blocks of which `eth_getLogs` gives no usable answer.
 *
 * If log indexes are missing in the receipts or do not ascend, each log is numbered by its place in the block.
 *
 * @param absent the kind of error to throw if the endpoint has no receipts of the block
 * @throws {RpcInconsistency} if the receipts contradict the block. Another endpoint may have the right ones.
 */
export async function readBlockLogs(
  { roots }: { readonly roots: ReceiptRoots },
  endpoint: Endpoint,
  block: BlockRef,
  signal: AbortSignal | undefined,
  absent: 'unknown-block' | 'pruned' = 'unknown-block',
): Promise<BlockLogs> {
  const read = await readReceipts(endpoint, block, signal, absent);
  const isProved = await roots.verify(endpoint.name, read, signal);
  return { logs: numberLogs(read.receipts.map(({ logs }) => logs)), transactions: read.transactions, isProved };
}

/** Returns whether the receipts root or the bloom of a block proves that its receipts lack no log. */
export function areProvedComplete(blooms: Blooms, { logsBloom }: BlockHeader, { logs, isProved }: BlockLogs): boolean {
  return isProved || (!isEmptyBloom(logsBloom) && blooms.covers(logs, logsBloom));
}

/**
 * Adds to the logs of receipts the logs that `eth_getLogs` gave for transactions without a log in the receipts. This is needed because on
 * some chains actions of the protocol itself have no receipt, and because receipts that no root proves may lack logs.
 *
 * @throws {RpcInconsistency} if a log that would be added has the index of another log.
 */
export function completeLogs(
  { hash, number }: BlockRef,
  { logs, transactions, isProved }: BlockLogs,
  answered: readonly RawLog[],
): RawLog[] {
  const explained = new Set<Hex>(logs.map(({ transactionHash }) => transactionHash));
  const others = answered.filter(
    ({ blockHash, transactionHash }) =>
      blockHash === hash && !explained.has(transactionHash) && !(isProved && transactions.has(transactionHash)),
  );
  const indexes = new Set(logs.map(({ logIndex }) => logIndex));
  if (others.some(({ logIndex }) => indexes.has(logIndex))) {
    throw new RpcInconsistency(
      'receipts and eth_getLogs number the logs of a block differently, and the receipts lack some',
      {
        context: { number },
      },
    );
  }
  return [...logs, ...others].sort((a, b) => a.logIndex - b.logIndex);
}
