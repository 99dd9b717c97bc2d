import type { BlockHeader, Hex, RawLog } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { mapLimit } from '../rpc/concurrency.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { MAX_BLOCK_BYTES } from '../rpc/json-rpc.ts';
import { unknownBlock } from './blocks.ts';
import { parseLogs, parseObject, toQuantity } from './parse.ts';
import { verifyOrder } from './verify.ts';

const RECEIPTS_IN_FLIGHT = 8;

/** The parts of a receipt that a dividend claim needs: the fees, and the logs that show the payment. */
export type Receipt = {
  readonly gasUsed: bigint;
  /** In wei; null on chains that do not report it. */
  readonly effectiveGasPrice: bigint | null;
  readonly logs: readonly RawLog[];
};

/**
 * Returns every log of one block, read from the receipts of its transactions. It is used for blocks that `eth_getLogs` refuses
 * or whose bloom contradicts the response. Every transaction must have a receipt, and every receipt and log the block's hash.
 *
 * Uses `eth_getBlockReceipts`, or `eth_getTransactionReceipt` one by one if that is not supported or too large.
 */
export async function readBlockLogs(
  endpoint: Endpoint,
  header: BlockHeader,
  signal: AbortSignal | undefined,
): Promise<RawLog[]> {
  const block = await endpoint.request('eth_getBlockByHash', [header.hash, false], {
    signal,
    maxBytes: MAX_BLOCK_BYTES,
  });
  if (block === null) throw unknownBlock(endpoint, `block ${header.number} no longer exists`);
  const transactions = parseObject(block, 'block').transactions;
  if (!Array.isArray(transactions)) throw new RpcInconsistency('the block has no list of transactions');
  const receipts =
    (await blockReceipts(endpoint, header, signal)) ??
    (await mapLimit(transactions, RECEIPTS_IN_FLIGHT, signal, (hash, stop) =>
      endpoint.request('eth_getTransactionReceipt', [hash], { signal: stop, maxBytes: MAX_BLOCK_BYTES }),
    ));
  const byTransaction = new Map<unknown, RawLog[]>();
  for (const raw of receipts) {
    if (raw === null) throw unknownBlock(endpoint, `block ${header.number} has a transaction without a receipt`);
    const receipt = parseObject(raw, 'receipt');
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
  endpoint: Endpoint,
  header: BlockHeader,
  signal: AbortSignal | undefined,
): Promise<unknown[] | undefined> {
  if (endpoint.unsupported.blockReceipts) return undefined;
  try {
    const number = toQuantity(header.number);
    const receipts = await endpoint.request('eth_getBlockReceipts', [number], { signal, maxBytes: MAX_BLOCK_BYTES });
    if (receipts === null) throw unknownBlock(endpoint, `block ${header.number} has no receipts`);
    if (!Array.isArray(receipts)) throw new RpcInconsistency('the response is not a list of receipts');
    return receipts;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.kind === 'rejected') endpoint.unsupported.blockReceipts = true;
    if (error.kind === 'rejected' || error.kind === 'range-refused') return undefined;
    throw error;
  }
}

/** Returns the receipt of a transaction. Throws `RpcError` `unknown-block` unless the transaction is in the given block. */
export async function readReceipt(
  endpoint: Endpoint,
  transactionHash: Hex,
  blockHash: Hex,
  signal: AbortSignal | undefined,
): Promise<Receipt> {
  const raw = await endpoint.request('eth_getTransactionReceipt', [transactionHash], {
    signal,
    maxBytes: MAX_BLOCK_BYTES,
  });
  if (raw === null) throw unknownBlock(endpoint, `the endpoint has no receipt of ${transactionHash}`);
  const receipt = parseObject(raw, 'receipt');
  if (lower(receipt.blockHash) !== blockHash) {
    throw unknownBlock(endpoint, `${transactionHash} is in another block than ${blockHash}`);
  }
  if (lower(receipt.transactionHash) !== transactionHash) {
    throw new RpcInconsistency('the node returned the receipt of another transaction', {
      context: { requested: transactionHash },
    });
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

/** Returns the logs of a receipt. Throws `RpcInconsistency` unless they and the receipt belong to the block and the transaction. */
function logsOfReceipt(receipt: Readonly<Record<string, unknown>>, blockHash: Hex): RawLog[] {
  const logs = parseLogs(receipt.logs);
  const hash = lower(receipt.transactionHash);
  const matches = logs.every((log) => log.blockHash === blockHash && log.transactionHash === hash);
  if (lower(receipt.blockHash) === blockHash && matches) return logs;
  throw new RpcInconsistency('a receipt or its logs belong to another block or transaction', {
    context: { transaction: receipt.transactionHash, blockHash: receipt.blockHash, expected: blockHash },
  });
}

function lower(raw: unknown): string {
  return String(raw).toLowerCase();
}
