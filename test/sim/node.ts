import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import type { Receipt } from '../../indexer/facts/origin.ts';
import { type ContractIndex, contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange, receiptsNeeded } from '../../indexer/ingest/decode-range.ts';
import { type FetchedRange, fetchBatch } from '../../indexer/ingest/fetch-batch.ts';
import type { BlockHeader, Contract, Hex } from '../../indexer/kernel/chain.ts';
import type { ChainState } from '../../indexer/progress/chains.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { createSource, type FullReading, type Source } from '../../indexer/source/source.ts';
import type { Branch, SimBlock, SimChain } from './history.ts';
import { lyingTransport } from './lying-node.ts';
import type { Random } from './random.ts';

/** A node of a chain, with its current branch, height and finalized block. */
export class SimNode {
  readonly chain: SimChain;
  finalized: number;
  readonly #random: Random;
  readonly #confirmations: number;
  /** The source through which the program reads the node. Undefined if the node is honest, since its blocks are then read directly. */
  #source: Source | undefined;
  #inFull: FullReading | undefined;
  #branch = 0;
  #height: number;

  constructor(chain: SimChain, random: Random) {
    this.chain = chain;
    this.#random = random;
    this.#confirmations = random.weighted([
      [3, 0],
      [3, random.between(1, 4)],
      [2, 1_000],
    ]);
    this.#height = random.percent(60) ? random.between(0, 4) : random.below(this.branch.length - 1);
    this.finalized = Math.max(0, this.#height - this.#confirmations);
  }

  get branch(): Branch {
    return this.chain.branches[this.#branch] as Branch;
  }

  get height(): number {
    return this.#height;
  }

  get isDone(): boolean {
    return this.#branch === this.chain.branches.length - 1 && this.#height === this.branch.length - 1;
  }

  header(number: number): BlockHeader {
    return (this.branch[number] as SimBlock).header;
  }

  /** Adds blocks of the current branch. */
  grow(blocks: number): void {
    this.#height = Math.min(this.#height + blocks, this.branch.length - 1);
    this.finalized = Math.max(this.finalized, this.#height - this.#confirmations);
  }

  /** Switches to the next branch, which may be shorter. Returns false on the last branch. */
  reorg(): boolean {
    const next = this.chain.branches[this.#branch + 1];
    if (next === undefined) return false;
    const shared = sharedBlocks(this.branch, next);
    this.#branch++;
    this.#height = Math.min(
      next.length - 1,
      Math.max(this.#height + this.#random.between(-1, 2), Math.min(shared, this.#height)),
    );
    return true;
  }

  /** Switches to the tip of the last branch. */
  skipToEnd(): void {
    this.#branch = this.chain.branches.length - 1;
    this.#height = this.branch.length - 1;
    this.finalized = 0;
  }

  /** Returns the number of the newest block that a branch shares with this node's branch. */
  ancestorOf(branch: Branch): number {
    return Math.min(sharedBlocks(this.branch, branch) - 1, this.#height);
  }

  /** Makes the node lie about logs. The program's own source reads the node from then on. `inFull` says how it reads ranges in full. */
  lie(random: Random, inFull: FullReading | undefined, count: (lie: string) => void): void {
    const rpcUrls = [lyingTransport(this, random, count)];
    this.#source = createSource(
      { chainId: this.chain.chainId, rpcUrls },
      { random: () => random.below(2 ** 32) / 2 ** 32 },
    );
    this.#inFull = inFull;
  }

  /** The source through which the program reads a node that lies. */
  get source(): Source {
    if (this.#source === undefined) throw new TypeError('an honest node has no source');
    return this.#source;
  }

  /** Reads a range for some contracts, as the program does when its chain is in this state. */
  async read(
    contracts: readonly Contract[],
    { finalized }: ChainState,
    from: number,
    to: number,
  ): Promise<FetchedRange> {
    if (this.#source === undefined) return this.fetch(contracts, from, to);
    const request = { from, to, strict: to > (finalized ?? -1), inFull: this.#inFull };
    return fetchBatch(this.#source, contractIndex(contracts), request, new AbortController().signal);
  }

  /** Reads a range of an honest node for some contracts and decodes it. */
  fetch(contracts: readonly Contract[], from: number, to: number): FetchedRange {
    const index = contractIndex(contracts);
    const blocks = this.branch.slice(from, to + 1);
    const logs = this.#logsOf(blocks, index);
    const withLogs = new Set(logs.map(({ blockNumber }) => blockNumber));
    const allHeaders = this.#random.percent(30);
    const headers = blocks
      .map(({ header }) => header)
      .filter(
        ({ number }) =>
          allHeaders || number > this.finalized || number === from || number === to || withLogs.has(number),
      );
    const range = { chainId: this.chain.chainId, from, to, headers, logs };
    const receipts = new Map(receiptsNeeded(range, index).map((hash) => [hash, receiptOf(blocks, hash)]));
    return { range, batch: encodeBatch(decodeRange(range, index, receipts), factTables) };
  }

  /** Filters logs as a source does, or sometimes by address only, or not at all. */
  #logsOf(blocks: readonly SimBlock[], { watch }: ContractIndex) {
    const addresses = new Set(watch.addresses);
    const topics = new Set(watch.topics);
    const filter = this.#random.weighted([
      [8, 'both'],
      [1, 'address'],
      [1, 'none'],
    ] as const);
    return blocks
      .flatMap((block) => block.logs.map(({ raw }) => raw))
      .filter(
        ({ address, topics: [topic] }) =>
          filter === 'none' ||
          (addresses.has(address) && (filter === 'address' || (topic !== undefined && topics.has(topic)))),
      );
  }
}

function receiptOf(blocks: readonly SimBlock[], hash: Hex): Receipt {
  const logs = blocks.flatMap((block) => block.logs).filter(({ transaction }) => transaction.hash === hash);
  const transaction = logs[0]?.transaction;
  return {
    gasUsed: transaction?.gasUsed ?? 0n,
    effectiveGasPrice: transaction?.gasPrice ?? null,
    logs: logs.map(({ raw }) => raw),
  };
}

/** Returns how many blocks from block 0 on two branches share. */
function sharedBlocks(one: Branch, other: Branch): number {
  const first = one.findIndex(({ header }, number) => other[number]?.header.hash !== header.hash);
  return first === -1 ? one.length : first;
}
