import type { BlockRef, Hex, RawLog } from '../kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../kernel/errors.ts';
import { mapLimit } from '../rpc/concurrency.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import { MAX_BLOCK_BYTES, RPC_CODE } from '../rpc/json-rpc.ts';
import { unknownBlock } from './blocks.ts';
import { parseHeader, parseLogs, parseObject, toQuantity } from './parse.ts';
import type { BlockReceipts, ReceiptLog } from './receipts-root.ts';

const RECEIPTS_IN_FLIGHT = 8;

/** The parts of a receipt that dividend claims and deployments need. */
export type Receipt = {
  /** The contract that the transaction created; null if it created none, or failed. */
  readonly contractAddress: Hex | null;
  readonly gasUsed: bigint;
  /** The price of a unit of gas in wei. Null on chains that do not report it. */
  readonly effectiveGasPrice: bigint | null;
  readonly logs: readonly RawLog[];
};

/**
 * Reads the receipts of one block. Every transaction must have a receipt that names the block, and no log may name another block.
 *
 * Uses `eth_getBlockReceipts`. Reads receipts that are missing in its answer one by one with `eth_getTransactionReceipt`.
 *
 * @param absent the kind of error to throw if the endpoint has no receipts of the block
 */
export async function readReceipts(
  endpoint: Endpoint,
  { number, hash }: BlockRef,
  signal: AbortSignal | undefined,
  absent: 'unknown-block' | 'pruned',
): Promise<BlockReceipts> {
  const raw = await endpoint.request('eth_getBlockByHash', [hash, false], { signal, maxBytes: MAX_BLOCK_BYTES });
  if (raw === null) throw unknownBlock(endpoint, `block ${number} no longer exists`);
  const { transactions, receiptsRoot } = parseObject(raw, 'block');
  const { logsBloom } = parseHeader(raw, endpoint);
  if (!Array.isArray(transactions)) throw new RpcInconsistency('the block has no list of transactions');
  const hashes = transactions.map(lower);
  const together = await blockReceipts(endpoint, number, signal);
  const known = new Map((together ?? []).map((receipt) => [lower(receipt.transactionHash), receipt]));
  const missing = hashes.filter((hash) => !known.has(hash));
  const single = await mapLimit(missing, RECEIPTS_IN_FLIGHT, signal, (hash, stop) =>
    endpoint.request('eth_getTransactionReceipt', [hash], { signal: stop, maxBytes: MAX_BLOCK_BYTES }),
  );
  for (const [at, raw] of single.entries()) {
    if (raw === null) throw withoutReceipt(endpoint, number, absent);
    const receipt = parseObject(raw, 'receipt');
    if (lower(receipt.transactionHash) !== missing[at]) {
      throw new RpcInconsistency('the node returned the receipt of another transaction', {
        context: { requested: missing[at] },
      });
    }
    known.set(missing[at] as string, receipt);
  }
  // Some nodes add a receipt for an action of the chain itself, for which the block has no transaction.
  const others = [...known].filter(([hash]) => !hashes.includes(hash)).map(([, receipt]) => receipt);
  const ordered = [...hashes.map((hash) => known.get(hash) as RawReceipt), ...others];
  const receipts = ordered.map((receipt) => ({ raw: receipt, logs: logsOfReceipt(receipt, hash, number) }));
  const hasRoot = typeof receiptsRoot === 'string' && receiptsRoot.length === 66;
  const root = hasRoot ? (lower(receiptsRoot) as Hex) : undefined;
  return { number, hash, logsBloom, receiptsRoot: root, transactions: new Set(hashes), receipts };
}

type RawReceipt = Readonly<Record<string, unknown>>;

/** Returns the receipts of a block from one `eth_getBlockReceipts` request. Undefined if the endpoint refuses or does not support it. */
async function blockReceipts(
  endpoint: Endpoint,
  block: number,
  signal: AbortSignal | undefined,
): Promise<RawReceipt[] | undefined> {
  // The endpoint refused this method a moment ago. Do not wait until it may be tried again.
  const isRefused = endpoint.delayMs() === 0 && endpoint.delayMs('eth_getBlockReceipts') > 0;
  if (endpoint.unsupported.blockReceipts || isRefused) return undefined;
  try {
    const number = toQuantity(block);
    const receipts = await endpoint.request('eth_getBlockReceipts', [number], { signal, maxBytes: MAX_BLOCK_BYTES });
    if (!Array.isArray(receipts)) return undefined;
    return receipts.filter((receipt) => receipt !== null).map((receipt) => parseObject(receipt, 'receipt'));
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.kind === 'rejected' && error.context.code !== RPC_CODE.invalidParams) {
      endpoint.unsupported.blockReceipts = true;
    }
    if (error.kind === 'range-refused' || error.answered) return undefined;
    throw error;
  }
}

function withoutReceipt(endpoint: Endpoint, number: number, absent: 'unknown-block' | 'pruned'): RpcError {
  const detail = `block ${number} has a transaction without a receipt`;
  if (absent === 'unknown-block') return unknownBlock(endpoint, detail);
  const context = { endpoint: endpoint.name, number };
  return new RpcError('pruned', `${endpoint.label}: ${detail}: its receipts are gone`, { context });
}

/** Returns the logs of all receipts. If their indexes are missing or do not ascend, the logs are numbered by their place in the list. */
export function numberLogs(receipts: readonly (readonly ReceiptLog[])[]): RawLog[] {
  const logs = receipts.flat();
  const countUp = logs.every(({ logIndex }, at) => logIndex !== undefined && logIndex > (logs[at - 1]?.logIndex ?? -1));
  return logs.map((log, at) => ({ ...log, logIndex: countUp ? (log.logIndex as number) : at }));
}

const OTHER_BLOCK = { receiptOf: 'another block' } as const;

/** Returns whether `readReceipt` threw an error because the transaction is in another block than the given one. */
export function isOfOtherBlock(error: unknown): boolean {
  return error instanceof RpcError && error.context.receiptOf === OTHER_BLOCK.receiptOf;
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
    const detail = `${endpoint.label}: ${transactionHash} is in another block than ${blockHash}`;
    throw new RpcError('unknown-block', detail, { context: { endpoint: endpoint.name, ...OTHER_BLOCK } });
  }
  if (lower(receipt.transactionHash) !== transactionHash) {
    throw new RpcInconsistency('the node returned the receipt of another transaction', {
      context: { requested: transactionHash },
    });
  }
  const isCreation = typeof receipt.contractAddress === 'string' && receipt.status !== '0x0';
  return {
    contractAddress: isCreation ? (lower(receipt.contractAddress) as Hex) : null,
    gasUsed: amount(receipt.gasUsed, 'gas used'),
    effectiveGasPrice: receipt.effectiveGasPrice == null ? null : amount(receipt.effectiveGasPrice, 'gas price'),
    logs: numberLogs([logsOfReceipt(receipt, blockHash, Number(receipt.blockNumber))]),
  };
}

function amount(raw: unknown, what: string): bigint {
  if (typeof raw === 'string' && /^0x[0-9a-f]{1,64}$/i.test(raw)) return BigInt(raw);
  throw new RpcInconsistency(`malformed ${what}`, { context: { value: String(raw).slice(0, 100) } });
}

/** Returns the logs of a receipt. Throws `RpcInconsistency` if the receipt names another block, or a log another block or transaction. */
function logsOfReceipt(receipt: RawReceipt, blockHash: Hex, blockNumber: number): ReceiptLog[] {
  const transactionHash = lower(receipt.transactionHash);
  const belongs = (raw: unknown, expected: string) => isAbsent(raw) || lower(raw) === expected;
  if (lower(receipt.blockHash) !== blockHash || !Array.isArray(receipt.logs)) throw foreign(receipt, blockHash);
  return receipt.logs.map((raw) => {
    const log = parseObject(raw, 'log');
    if (!belongs(log.blockHash, blockHash) || !belongs(log.transactionHash, transactionHash)) {
      throw foreign(receipt, blockHash);
    }
    const hasIndex = typeof log.logIndex === 'string' && /^0x[0-9a-f]{1,8}$/i.test(log.logIndex);
    const whole = { ...log, blockHash, transactionHash, blockNumber: toQuantity(blockNumber), removed: false };
    const [parsed] = parseLogs([{ ...whole, logIndex: hasIndex ? log.logIndex : '0x0' }]);
    return { ...(parsed as RawLog), logIndex: hasIndex ? parsed?.logIndex : undefined };
  });
}

/** Returns whether a node left a member of a log out, or filled it with zeros. */
function isAbsent(raw: unknown): boolean {
  return raw === null || raw === undefined || (typeof raw === 'string' && /^0x0*$/.test(raw));
}

function foreign(receipt: RawReceipt, blockHash: Hex): RpcInconsistency {
  return new RpcInconsistency('a receipt or its logs belong to another block or transaction', {
    context: { transaction: receipt.transactionHash, blockHash: receipt.blockHash, expected: blockHash },
  });
}

function lower(raw: unknown): string {
  return String(raw).toLowerCase();
}
