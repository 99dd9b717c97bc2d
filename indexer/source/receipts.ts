import type { BlockHeader, Hex, RawLog } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { mapLimit } from '../rpc/limit.ts';
import type { Peer } from '../rpc/peer.ts';
import { MAX_BLOCK_BYTES } from '../rpc/transport.ts';
import { hexOf, unknownBlock } from './headers.ts';
import { parseLogs, recordOf, verifyOrder } from './verify.ts';

const RECEIPTS_IN_FLIGHT = 8;

/** What a dividend claim needs of its transaction: fees, and the logs that show the payment. */
export type Receipt = {
  readonly gasUsed: bigint;
  /** In wei; null on chains that do not say. */
  readonly effectiveGasPrice: bigint | null;
  readonly logs: readonly RawLog[];
};

/**
 * Every log of one block, from the receipts of its transactions: for a block that `eth_getLogs` refuses, or whose bloom
 * contradicts the answer. Each transaction of the block must have its receipt, and each receipt and log the block's hash.
 *
 * Asks `eth_getBlockReceipts`, and where that is not served or too large, `eth_getTransactionReceipt` one by one.
 */
export async function readBlockLogs(
  peer: Peer,
  header: BlockHeader,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const block = await peer.request('eth_getBlockByHash', [header.hash, false], { signal, maxBytes: MAX_BLOCK_BYTES });
  if (block === null) throw unknownBlock(peer, `block ${header.number} is gone`);
  const transactions = recordOf(block, 'block').transactions;
  if (!Array.isArray(transactions)) throw new RpcInconsistency('a block without its transactions');
  const receipts =
    (await blockReceipts(peer, header, signal)) ??
    (await mapLimit(transactions, RECEIPTS_IN_FLIGHT, signal, (hash, stop) =>
      peer.request('eth_getTransactionReceipt', [hash], { signal: stop, maxBytes: MAX_BLOCK_BYTES }),
    ));
  const byTransaction = new Map<unknown, RawLog[]>();
  for (const raw of receipts) {
    if (raw === null) throw unknownBlock(peer, `block ${header.number} lacks a receipt`);
    const receipt = recordOf(raw, 'receipt');
    byTransaction.set(lower(receipt.transactionHash), logsOfReceipt(receipt, header.hash));
  }
  if (!transactions.every((hash) => byTransaction.has(lower(hash)))) {
    throw new RpcInconsistency('the receipts of a block do not cover its transactions', {
      context: { number: header.number, hash: header.hash },
    });
  }
  const logs = [...byTransaction.values()].flat().sort((a, b) => a.logIndex - b.logIndex);
  verifyOrder(logs);
  return logs;
}

async function blockReceipts(
  peer: Peer,
  header: BlockHeader,
  signal: AbortSignal | undefined,
): Promise<unknown[] | undefined> {
  if (peer.lacks.blockReceipts) return undefined;
  try {
    const number = hexOf(header.number);
    const receipts = await peer.request('eth_getBlockReceipts', [number], { signal, maxBytes: MAX_BLOCK_BYTES });
    if (receipts === null) throw unknownBlock(peer, `block ${header.number} has no receipts`);
    if (!Array.isArray(receipts)) throw new RpcInconsistency('no list of receipts');
    return receipts;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.kind === 'rejected') peer.lacks.blockReceipts = true;
    if (error.kind === 'rejected' || error.kind === 'range-refused') return undefined;
    throw error;
  }
}

/** One transaction's receipt. Throws `RpcError` `unknown-block` unless it is in the named block. */
export async function readReceipt(
  peer: Peer,
  transactionHash: Hex,
  blockHash: Hex,
  signal: AbortSignal | undefined,
): Promise<Receipt> {
  const raw = await peer.request('eth_getTransactionReceipt', [transactionHash], { signal, maxBytes: MAX_BLOCK_BYTES });
  if (raw === null) throw unknownBlock(peer, `it has no receipt of ${transactionHash}`);
  const receipt = recordOf(raw, 'receipt');
  if (lower(receipt.blockHash) !== blockHash) {
    throw unknownBlock(peer, `${transactionHash} is in another block than ${blockHash}`);
  }
  if (lower(receipt.transactionHash) !== transactionHash) {
    throw new RpcInconsistency('the receipt of another transaction came', { context: { asked: transactionHash } });
  }
  return {
    gasUsed: amount(receipt.gasUsed, 'gas used'),
    effectiveGasPrice: receipt.effectiveGasPrice == null ? null : amount(receipt.effectiveGasPrice, 'gas price'),
    logs: logsOfReceipt(receipt, blockHash),
  };
}

function amount(raw: unknown, what: string): bigint {
  if (typeof raw === 'string' && /^0x[0-9a-f]{1,64}$/i.test(raw)) return BigInt(raw);
  throw new RpcInconsistency(`malformed ${what}`, { context: { value: String(raw).slice(0, 100) } });
}

/** The logs of a receipt. Throws `RpcInconsistency` unless the receipt and each log are of the block and the transaction. */
function logsOfReceipt(receipt: Readonly<Record<string, unknown>>, blockHash: Hex): RawLog[] {
  const logs = parseLogs(receipt.logs);
  const hash = lower(receipt.transactionHash);
  const matches = logs.every((log) => log.blockHash === blockHash && log.transactionHash === hash);
  if (lower(receipt.blockHash) === blockHash && matches) return logs;
  throw new RpcInconsistency('a receipt is of another block than its header', {
    context: { transaction: receipt.transactionHash, blockHash: receipt.blockHash, expected: blockHash },
  });
}

function lower(raw: unknown): string {
  return String(raw).toLowerCase();
}
