import { hash } from 'node:crypto';
import { keccak256 } from 'viem';
import type { BlockRef, Hex } from '../../indexer/kernel/chain.ts';

/** A log to add to a block. */
export type LogSpec = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data?: Hex;
  /** Default: one more than the log before it in the block. */
  readonly logIndex?: number;
  /**
   * Logs of a block with the same value share a transaction. If the value is a hash, it becomes the hash of the transaction.
   * Default: each log has its own transaction.
   */
  readonly transaction?: number | Hex;
};

/** A block to add to the chain. */
export type BlockSpec = {
  readonly logs?: readonly LogSpec[];
  /** Contracts that transactions of their own create in the block. They have code from then on. */
  readonly creates?: readonly Hex[];
  /** In Unix seconds. Default: the parent's timestamp plus the block time. */
  readonly timestamp?: number;
  /** Changes the hash of the block without changing its content. */
  readonly salt?: string;
};

/** A log of the chain. */
export type ChainLog = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly transactionIndex: number;
  readonly logIndex: number;
};

/** A block of the chain. */
export type ChainBlock = BlockRef & {
  readonly parentHash: Hex;
  readonly timestamp: number;
  readonly logsBloom: Hex;
  readonly transactions: readonly Hex[];
  /** The contracts that transactions created, by transaction. */
  readonly creations: ReadonlyMap<Hex, Hex>;
  readonly logs: readonly ChainLog[];
};

/** Options of a chain in memory. */
export type ChainOptions = {
  readonly chainId?: number;
  readonly blockTimeSeconds?: number;
  readonly genesisTimestamp?: number;
};

/**
 * A deterministic chain in memory: the same calls produce the same hashes. Several servers may share a chain. `fork` creates a
 * second branch for another server.
 */
export class Chain {
  readonly chainId: number;
  /** Number of the finalized block. */
  finalized: number | undefined;
  /** Number of the safe block. By default the finalized one. */
  safe: number | undefined;
  /** Returns the result of `eth_call`. Throws an `RpcFault` if the call reverts. */
  call: (to: Hex, data: Hex, blockNumber: number) => Hex = () => '0x';
  /** Number of the block that deployed the code at an address. */
  readonly code = new Map<Hex, number>();
  #blocks: ChainBlock[] = [];
  #branch = 0;
  readonly #settings: ChainOptions;
  readonly #listeners = new Set<(block: ChainBlock) => void>();
  readonly #byHash = new Map<Hex, ChainBlock>();

  constructor(settings: ChainOptions = {}, blocks?: readonly ChainBlock[]) {
    this.chainId = settings.chainId ?? 31_337;
    this.#settings = settings;
    if (blocks === undefined) this.append({ timestamp: settings.genesisTimestamp ?? 1_700_000_000 });
    else for (const block of blocks) this.#add(block);
  }

  get head(): ChainBlock {
    return this.#blocks.at(-1)!;
  }

  get blocks(): readonly ChainBlock[] {
    return this.#blocks;
  }

  block(number: number): ChainBlock | undefined {
    return this.#blocks[number];
  }

  /** Returns the canonical block with a hash. */
  blockOf(hash: Hex): ChainBlock | undefined {
    return this.#byHash.get(hash);
  }

  /** Returns the logs of the canonical blocks `from` to `to`, inclusive. */
  logs(from = 0, to = this.head.number): ChainLog[] {
    return this.#blocks.slice(from, to + 1).flatMap((block) => block.logs);
  }

  /** Appends blocks and notifies the listeners of each. Returns the new head. */
  append(...specs: readonly BlockSpec[]): ChainBlock {
    for (const spec of specs) {
      const block = this.#build(spec);
      this.#add(block);
      for (const address of spec.creates ?? []) this.code.set(address, block.number);
      for (const listener of this.#listeners) listener(block);
    }
    return this.head;
  }

  /** Appends empty blocks. */
  mine(count: number): ChainBlock {
    return this.append(...Array.from({ length: count }, () => ({})));
  }

  /** Replaces the newest `depth` blocks. The new blocks have other hashes, even if their content is the same. */
  reorg(depth: number, specs: readonly BlockSpec[] = Array.from({ length: depth }, () => ({}))): ChainBlock {
    this.truncate(this.head.number - depth);
    return this.append(...specs);
  }

  /** Removes the blocks above a block. */
  truncate(number: number): void {
    if (number < 0 || number > this.head.number) throw new Error(`there is no block ${number}`);
    for (const block of this.#blocks.splice(number + 1)) this.#byHash.delete(block.hash);
    this.#branch++;
  }

  /** Returns another chain that has the same blocks up to `number`. */
  fork(number: number = this.head.number): Chain {
    const fork = new Chain(this.#settings, this.#blocks.slice(0, number + 1));
    fork.#branch = this.#branch + 1_000;
    fork.finalized = this.finalized;
    fork.call = this.call;
    for (const [address, since] of this.code) fork.code.set(address, since);
    return fork;
  }

  /** Calls a listener for every block that is appended, until the returned function is called. */
  onBlock(listener: (block: ChainBlock) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #add(block: ChainBlock): void {
    this.#blocks.push(block);
    this.#byHash.set(block.hash, block);
  }

  #build(spec: BlockSpec): ChainBlock {
    const parent = this.#blocks.at(-1);
    const number = parent === undefined ? 0 : parent.number + 1;
    const timestamp = spec.timestamp ?? (parent?.timestamp ?? 0) + (this.#settings.blockTimeSeconds ?? 12);
    const parentHash = parent?.hash ?? `0x${'00'.repeat(32)}`;
    const specs = spec.logs ?? [];
    const creates = spec.creates ?? [];
    const content = creates.length === 0 ? specs : [specs, creates];
    const seed = JSON.stringify([this.chainId, this.#branch, number, parentHash, timestamp, content, spec.salt ?? '']);
    const blockHash = hashOf(seed);
    const keys = [...new Set(specs.map((log, index) => log.transaction ?? `own ${index}`))];
    const transactions = keys.map((key) =>
      String(key).startsWith('0x') ? (key as Hex) : hashOf(`${blockHash} transaction ${key}`),
    );
    const creations = new Map(creates.map((address) => [hashOf(`${blockHash} creates ${address}`), address]));
    let logIndex = 0;
    const logs = specs.map((log, index) => {
      const transactionIndex = keys.indexOf(log.transaction ?? `own ${index}`);
      logIndex = log.logIndex ?? logIndex;
      return {
        address: log.address,
        topics: log.topics,
        data: log.data ?? '0x',
        blockNumber: number,
        blockHash,
        transactionHash: transactions[transactionIndex]!,
        transactionIndex,
        logIndex: logIndex++,
      };
    });
    const header = { number, hash: blockHash, parentHash, timestamp, logsBloom: bloomOf(specs) };
    return { ...header, transactions: [...transactions, ...creations.keys()], creations, logs };
  }
}

/** Returns a hash that identifies a block or a transaction. It is not the hash of the encoded content, but a client cannot tell. */
function hashOf(text: string): Hex {
  return `0x${hash('sha256', text)}`;
}

const BLOOM_BYTES = 256;

/** Returns the logs bloom (Yellow Paper, 4.3.1): three bits for every address and topic. */
export function bloomOf(logs: readonly Pick<LogSpec, 'address' | 'topics'>[]): Hex {
  const bloom = Buffer.alloc(BLOOM_BYTES);
  for (const { address, topics } of logs) {
    // Bit 0 is the lowest bit of the last byte.
    for (const bit of [address, ...topics].flatMap(bloomBitsOf)) bloom[BLOOM_BYTES - 1 - (bit >> 3)]! |= 1 << (bit & 7);
  }
  return `0x${bloom.toString('hex')}`;
}

/** Caches the bloom bits of addresses and topics, which chains repeat. Hashing them each time would dominate a test's duration. */
const bloomBits = new Map<Hex, readonly number[]>();

function bloomBitsOf(item: Hex): readonly number[] {
  const known = bloomBits.get(item);
  if (known !== undefined) return known;
  const digest = Buffer.from(keccak256(item).slice(2), 'hex');
  const bits = [0, 2, 4].map((at) => digest.readUInt16BE(at) % (8 * BLOOM_BYTES));
  bloomBits.set(item, bits);
  return bits;
}
