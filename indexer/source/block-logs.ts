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
 * Returns every log of one block, read from the receipts of its transactions. If the chain computes receipts roots as Ethereum does, the
 * receipts must match the root in the header. This function is used for blocks for which `eth_getLogs` gives no usable answer.
 *
 * If log indexes are missing in the receipts or do not ascend, each log is numbered by its place in the block.
 *
 * @param absent the kind of error to throw if the endpoint has no receipts of the block
 * @throws {RpcInconsistency} if the receipts contradict the block. Another endpoint may have the right receipts.
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

/** Returns whether the receipts root or the logs bloom of a block proves that no log is missing in its receipts. */
export function areProvedComplete(blooms: Blooms, { logsBloom }: BlockHeader, { logs, isProved }: BlockLogs): boolean {
  return isProved || (!isEmptyBloom(logsBloom) && blooms.covers(logs, logsBloom));
}

/**
 * Returns the logs of a block's receipts, completed by the logs from `eth_getLogs` whose transaction has no log in the receipts. Such logs
 * exist because on some chains actions of the chain itself have no receipt, and because receipts that no root proves may lack logs.
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
