import { custom, type Transport } from 'viem';
import type { Hex, RawLog } from '../../indexer/kernel/chain.ts';
import { bloomOf } from '../kit/chain.ts';
import { RECEIPT_TYPE, rootOfReceipts } from '../kit/receipts-root.ts';
import type { Branch, SimBlock, SimTransaction } from './history.ts';
import type { Random } from './random.ts';

const BLOOM_BYTES = 256;
/** How often the node lies when it returns logs, in percent. */
const LIES_PERCENT = 60;

/** What a node serves now: the blocks of a branch up to a height. */
type Served = { readonly chain: { readonly chainId: number }; readonly branch: Branch; readonly height: number };

/**
 * Returns a transport to a node that tells the truth about headers and receipts, but lies about logs: it leaves out the logs of an
 * address in a block, of a whole block or of a stretch of blocks, repeats logs, changes their order or their block hash. Some nodes
 * state the timestamps of blocks in logs, and may then state wrong ones.
 *
 * A node whose blooms are zero leaves out whole blocks only, since nothing could reveal that part of a block's logs is missing.
 */
export function lyingTransport(node: Served, random: Random, count: (lie: string) => void): Transport {
  const zeroBlooms = random.percent(20);
  const namesTimestamps = random.percent(60);
  const request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
    const [first] = (params ?? []) as readonly unknown[];
    const blocks = node.branch.slice(0, node.height + 1);
    switch (method) {
      case 'eth_chainId':
        return quantity(node.chain.chainId);
      case 'eth_getBlockByNumber':
        return asBlock(blockAt(blocks, first), zeroBlooms);
      case 'eth_getBlockByHash':
        return asBlock(
          blocks.find(({ header }) => header.hash === first),
          zeroBlooms,
        );
      case 'eth_getBlockReceipts': {
        const block = blockAt(blocks, first);
        return block === undefined ? null : transactionsOf(block).map((transaction) => asReceipt(block, transaction));
      }
      case 'eth_getTransactionReceipt':
        for (const block of blocks) {
          const transaction = transactionsOf(block).find(({ hash }) => hash === first);
          if (transaction !== undefined) return asReceipt(block, transaction);
        }
        return null;
      case 'eth_getLogs':
        return lie(logsOf(blocks, first as LogFilter, namesTimestamps), { random, zeroBlooms, count }).map(asLog);
      default:
        throw Object.assign(new Error(`the method ${method} does not exist`), { code: -32601 });
    }
  };
  return custom({ request }, { retryCount: 0 });
}

type LogFilter = {
  readonly fromBlock?: Hex;
  readonly toBlock?: Hex;
  readonly blockHash?: Hex;
  readonly address?: readonly Hex[];
  readonly topics?: readonly (readonly Hex[])[];
};

function logsOf(blocks: readonly SimBlock[], filter: LogFilter, namesTimestamps: boolean): readonly RawLog[] {
  const { fromBlock, toBlock, blockHash, address, topics } = filter;
  const asked = blocks.filter(({ header: { number, hash } }) =>
    blockHash === undefined ? Number(fromBlock) <= number && number <= Number(toBlock) : hash === blockHash,
  );
  if (blockHash !== undefined && asked.length === 0) {
    throw Object.assign(new Error('unknown block'), { code: -32000 });
  }
  return asked
    .flatMap(({ logs, header: { timestamp } }) =>
      logs.map(({ raw }) => (namesTimestamps ? { ...raw, blockTimestamp: timestamp } : raw)),
    )
    .filter((log) => address === undefined || address.includes(log.address))
    .filter((log) => topics?.[0] === undefined || topics[0].includes(log.topics[0] ?? '0x'));
}

type Liar = { readonly random: Random; readonly zeroBlooms: boolean; readonly count: (lie: string) => void };

/** Returns logs of which some may be missing, repeated, out of order, or with a wrong block hash or timestamp. */
function lie(logs: readonly RawLog[], { random, zeroBlooms, count }: Liar): readonly RawLog[] {
  if (logs.length === 0 || !random.percent(LIES_PERCENT)) return logs;
  const { blockNumber, blockTimestamp, address } = random.pick(logs);
  const kind = random.weighted([
    [zeroBlooms ? 0 : 3, 'address'],
    [3, 'block'],
    [2, 'stretch'],
    [1, 'everything'],
    [2, 'doubles'],
    [2, 'order'],
    [2, 'hash'],
    [blockTimestamp === undefined ? 0 : 2, 'timestamp'],
  ] as const);
  const altered = (change: Partial<RawLog>) =>
    logs.map((log) => (log.blockNumber === blockNumber ? { ...log, ...change } : log));
  count(`lie: ${kind}`);
  switch (kind) {
    case 'address':
      return logs.filter((log) => log.blockNumber !== blockNumber || log.address !== address);
    case 'block':
      return logs.filter((log) => log.blockNumber !== blockNumber);
    case 'stretch':
      return logs.filter((log) => log.blockNumber < blockNumber);
    case 'everything':
      return [];
    case 'doubles':
      return [...logs, ...random.some(logs)];
    case 'order':
      return random.shuffled(logs);
    case 'hash':
      return altered({ blockHash: `0x${'f0'.repeat(32)}` });
    case 'timestamp':
      return altered({ blockTimestamp: (blockTimestamp ?? 0) + 1 });
  }
}

function blockAt(blocks: readonly SimBlock[], tag: unknown): SimBlock | undefined {
  return tag === 'latest' ? blocks.at(-1) : blocks[Number(tag)];
}

function transactionsOf({ logs }: SimBlock): readonly SimTransaction[] {
  return [...new Set(logs.map(({ transaction }) => transaction))];
}

function asBlock(block: SimBlock | undefined, zeroBlooms: boolean): unknown {
  if (block === undefined) return null;
  const { number, hash, parentHash, timestamp } = block.header;
  return {
    number: quantity(number),
    hash,
    parentHash,
    timestamp: quantity(timestamp),
    logsBloom: zeroBlooms ? `0x${'00'.repeat(BLOOM_BYTES)}` : proofsOf(block).bloom,
    receiptsRoot: proofsOf(block).root,
    transactions: transactionsOf(block).map((transaction) => transaction.hash),
  };
}

/** The fields of a header that depend on the logs of its block. */
type Proofs = { readonly bloom: Hex; readonly root: Hex };

const proofs = new WeakMap<SimBlock, Proofs>();

function proofsOf(block: SimBlock): Proofs {
  let found = proofs.get(block);
  if (found === undefined) {
    const receipts = transactionsOf(block).map((transaction) => ({
      cumulativeGasUsed: cumulativeGasOf(block, transaction),
      logs: logsOfTransaction(block, transaction),
    }));
    found = { bloom: bloomOf(block.logs.map(({ raw }) => raw)), root: rootOfReceipts(receipts) };
    proofs.set(block, found);
  }
  return found;
}

function cumulativeGasOf(block: SimBlock, last: SimTransaction): number {
  const transactions = transactionsOf(block);
  const upTo = transactions.slice(0, transactions.indexOf(last) + 1);
  return upTo.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0);
}

function logsOfTransaction(block: SimBlock, transaction: SimTransaction): readonly RawLog[] {
  return block.logs.filter((log) => log.transaction === transaction).map(({ raw }) => raw);
}

function asReceipt(block: SimBlock, transaction: SimTransaction): unknown {
  return {
    transactionHash: transaction.hash,
    blockHash: block.header.hash,
    blockNumber: quantity(block.header.number),
    type: RECEIPT_TYPE,
    status: '0x1',
    gasUsed: quantity(transaction.gasUsed),
    cumulativeGasUsed: quantity(cumulativeGasOf(block, transaction)),
    effectiveGasPrice: transaction.gasPrice === null ? null : quantity(transaction.gasPrice),
    logs: logsOfTransaction(block, transaction).map(asLog),
  };
}

function asLog({ blockNumber, logIndex, blockTimestamp, ...log }: RawLog): unknown {
  const time = blockTimestamp === undefined ? {} : { blockTimestamp: quantity(blockTimestamp) };
  return { ...log, ...time, blockNumber: quantity(blockNumber), logIndex: quantity(logIndex), removed: false };
}

function quantity(value: number | bigint): Hex {
  return `0x${value.toString(16)}`;
}
