import type { Hex } from '../../indexer/kernel/chain.ts';
import { bloomOf, type Chain, type ChainBlock, type ChainLog } from './chain.ts';
import { cumulativeGasUsed, gasUsed, logsOf, RECEIPT_TYPE, receiptsRootOf } from './receipts-root.ts';

/** How much of its chain a node serves, and which features it lacks. */
export type View = {
  chain: Chain;
  /** Number of newest blocks that the node does not have yet: their headers are null, and their logs are missing silently. */
  lag: number;
  /** Blocks whose logs `eth_getLogs` omits; true means all blocks. */
  hiddenLogs?: ReadonlySet<number> | true;
  /** Changes a log of a block before `eth_getLogs` returns the log. */
  alterLog?: ((log: object, block: ChainBlock) => object) | undefined;
  /** Omits the logs from receipts. */
  hiddenReceipts?: boolean;
  zeroBlooms?: boolean;
  noFinalizedTag?: boolean;
  noBlockHashFilter?: boolean;
  /** Answers `eth_getLogs` for an unknown block hash with `[]` instead of an error, as some nodes do. */
  emptyForUnknownHash?: boolean;
  noBlockReceipts?: boolean;
  noSubscriptions?: boolean;
  /** Returns the notification that subscribers receive for a new block instead of the correct one. */
  announce?: ((head: object) => unknown) | undefined;
  /** Blocks below this number are pruned: requests for their logs fail with code 4444, and requests for their state fail too. */
  prunedBelow?: number;
  /** Hashes of blocks that the node no longer knows. */
  forgotten?: ReadonlySet<Hex>;
  /** Called for each `eth_getLogs`. May reject the request for its size by throwing an `RpcFault`. */
  cap?: ((request: CapRequest) => void) | undefined;
};

/** The size of an `eth_getLogs` request, for which a provider may reject it. */
export type CapRequest = {
  readonly from: number;
  readonly to: number;
  readonly blocks: number;
  readonly results: number;
};

/** An error response of the node. */
export class RpcFault extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

type Params = readonly unknown[];

/**
 * Returns the result of a request to a correct node with this view.
 *
 * @throws {RpcFault}
 */
export function answer(view: View, method: string, params: Params): unknown {
  const handler = METHODS[method];
  if (handler === undefined) throw new RpcFault(-32601, `the method ${method} does not exist/is not available`);
  return handler(view, params);
}

const METHODS: Readonly<Record<string, (view: View, params: Params) => unknown>> = {
  eth_chainId: ({ chain }) => hex(chain.chainId),
  net_version: ({ chain }) => String(chain.chainId),
  eth_blockNumber: (view) => hex(headOf(view)),
  eth_getBlockByNumber: (view, [tag, full]) => asBlock(view, blockAt(view, tag), full === true),
  eth_getBlockByHash: (view, [hash, full]) => asBlock(view, blockOf(view, hash), full === true),
  eth_getLogs: (view, [filter]) => getLogs(view, filter as LogFilter),
  eth_getBlockReceipts(view, [tag]) {
    if (view.noBlockReceipts)
      throw new RpcFault(-32601, 'the method eth_getBlockReceipts does not exist/is not available');
    const block = blockAt(view, tag);
    if (block === undefined) return null;
    return block.transactions.map((_, index) => asReceipt(view, block, index));
  },
  eth_getTransactionReceipt(view, [hash]) {
    for (let number = headOf(view); number >= 0; number--) {
      const block = view.chain.block(number);
      const index = block?.transactions.indexOf(hash as Hex) ?? -1;
      if (block !== undefined && index >= 0) return asReceipt(view, block, index);
    }
    return null;
  },
  eth_call(view, [call, tag = 'latest']) {
    const { to, data } = call as { to: Hex; data: Hex };
    return view.chain.call(to.toLowerCase() as Hex, data, stateAt(view, tag).number);
  },
  eth_getCode(view, [address, tag = 'latest']) {
    const since = deployedAt(view.chain, address);
    return since !== undefined && stateAt(view, tag).number >= since ? '0x60' : '0x';
  },
  eth_getTransactionCount(view, [address, tag = 'latest']) {
    const account = String(address).toLowerCase() as Hex;
    const { number } = stateAt(view, tag);
    if (account === SENDER) return hex(nonceAfter(view.chain, number));
    const since = deployedAt(view.chain, address);
    return hex(since !== undefined && number >= since ? 1 : 0);
  },
};

/** The account that sends every transaction. It had already sent one transaction before block 0. */
export const SENDER: Hex = `0x${'5e'.repeat(20)}`;
/** The recipient of every transaction that does not create a contract. Its code exists from block 0 on. */
const CALLED: Hex = `0x${'ca'.repeat(20)}`;

function deployedAt(chain: Chain, address: unknown): number | undefined {
  const account = String(address).toLowerCase() as Hex;
  return account === CALLED ? 0 : chain.code.get(account);
}

/** Returns how many transactions the sender had sent after a block. */
function nonceAfter(chain: Chain, number: number): number {
  return chain.blocks.slice(0, number + 1).reduce((count, { transactions }) => count + transactions.length, 1);
}

function headOf({ chain, lag }: View): number {
  return Math.max(0, chain.head.number - lag);
}

function numberAt(view: View, tag: unknown): number | undefined {
  if (tag === 'latest' || tag === 'pending') return headOf(view);
  if (tag === 'earliest') return 0;
  if (tag === 'finalized' || tag === 'safe') {
    if (view.noFinalizedTag) throw new RpcFault(-32602, `invalid argument 0: '${tag}' tag not supported`);
    return tag === 'safe' ? (view.chain.safe ?? view.chain.finalized) : view.chain.finalized;
  }
  return Number(tag);
}

function blockAt(view: View, tag: unknown): ChainBlock | undefined {
  if (typeof tag === 'string' && tag.length === 66) return blockOf(view, tag);
  const number = numberAt(view, tag);
  return number === undefined || number > headOf(view) ? undefined : view.chain.block(number);
}

function blockOf(view: View, hash: unknown): ChainBlock | undefined {
  const block = view.chain.blockOf(hash as Hex);
  return block === undefined || block.number > headOf(view) || view.forgotten?.has(block.hash) ? undefined : block;
}

/** Returns the block whose state is requested. */
function stateAt(view: View, tag: unknown): ChainBlock {
  const block = blockAt(view, tag);
  if (block === undefined) throw new RpcFault(-32000, 'header not found');
  if (block.number < (view.prunedBelow ?? 0)) throw new RpcFault(-32000, `missing trie node ${block.hash}`);
  return block;
}

type LogFilter = {
  readonly blockHash?: Hex;
  readonly fromBlock?: unknown;
  readonly toBlock?: unknown;
  readonly address?: Hex | readonly Hex[];
  readonly topics?: readonly (Hex | readonly Hex[] | null)[];
};

function getLogs(view: View, filter: LogFilter): unknown[] {
  const [from, to] = rangeOf(view, filter);
  if (from < (view.prunedBelow ?? 0)) throw new RpcFault(4444, 'pruned history unavailable');
  const logs: ChainLog[] = [];
  for (let number = from; number <= Math.min(to, headOf(view)); number++) {
    if (view.hiddenLogs === true || view.hiddenLogs?.has(number)) continue;
    for (const log of view.chain.block(number)?.logs ?? []) if (matches(filter, log)) logs.push(log);
  }
  view.cap?.({ from, to, blocks: to - from + 1, results: logs.length });
  return logs.map((log) => {
    const block = view.chain.block(log.blockNumber) as ChainBlock;
    return view.alterLog?.(asLog(log), block) ?? asLog(log);
  });
}

function rangeOf(view: View, { blockHash, fromBlock = 'latest', toBlock = 'latest' }: LogFilter): [number, number] {
  if (blockHash === undefined) return [numberAt(view, fromBlock) ?? 0, numberAt(view, toBlock) ?? 0];
  if (view.noBlockHashFilter) throw new RpcFault(-32602, 'unknown field `blockHash`');
  const block = blockOf(view, blockHash);
  if (block !== undefined) return [block.number, block.number];
  if (view.emptyForUnknownHash) return [1, 0];
  throw new RpcFault(-32000, 'unknown block');
}

function matches({ address, topics = [] }: LogFilter, log: ChainLog): boolean {
  const addresses = address === undefined ? undefined : [address].flat().map((item) => item.toLowerCase());
  if (addresses !== undefined && !addresses.includes(log.address)) return false;
  return topics.every((topic, at) => topic === null || [topic].flat().includes(log.topics[at] ?? '0x'));
}

/** Returns the JSON form of a block, or null if there is none. */
export function asBlock(view: View, block: ChainBlock | undefined, full: boolean): unknown {
  if (block === undefined) return null;
  const { number, hash, parentHash, timestamp, transactions } = block;
  return {
    number: hex(number),
    hash,
    parentHash,
    timestamp: hex(timestamp),
    logsBloom: view.zeroBlooms ? `0x${'0'.repeat(512)}` : block.logsBloom,
    receiptsRoot: receiptsRootOf(block),
    transactions: full ? transactions.map((_, index) => asTransaction(view, block, index)) : transactions,
  };
}

function asTransaction({ chain }: View, block: ChainBlock, index: number): object {
  const hash = block.transactions[index] as Hex;
  const to = block.creations.has(hash) ? null : CALLED;
  return { hash, from: SENDER, to, nonce: hex(nonceAfter(chain, block.number - 1) + index) };
}

function asLog(log: ChainLog): object {
  const { blockNumber, transactionIndex, logIndex, ...rest } = log;
  return {
    ...rest,
    blockNumber: hex(blockNumber),
    transactionIndex: hex(transactionIndex),
    logIndex: hex(logIndex),
    removed: false,
  };
}

function asReceipt(view: View, block: ChainBlock, index: number): object {
  const logs = view.hiddenReceipts ? [] : logsOf(block, index);
  return {
    type: hex(Number(RECEIPT_TYPE)),
    transactionHash: block.transactions[index],
    transactionIndex: hex(index),
    blockHash: block.hash,
    blockNumber: hex(block.number),
    status: '0x1',
    contractAddress: block.creations.get(block.transactions[index] as Hex) ?? null,
    gasUsed: hex(gasUsed(index)),
    cumulativeGasUsed: hex(cumulativeGasUsed(index)),
    effectiveGasPrice: hex(1_000_000_000),
    logsBloom: bloomOf(logs),
    logs: logs.map(asLog),
  };
}

function hex(number: number): Hex {
  return `0x${number.toString(16)}`;
}
