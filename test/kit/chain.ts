import { keccak256, stringToHex } from 'viem';
import type { BlockRef, Hex } from '../../indexer/kernel/chain.ts';

/** A log to be put into a block. */
export type LogSpec = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data?: Hex;
  /** Counts up within the block where not given. */
  readonly logIndex?: number;
  /** Logs of one block with the same value here share a transaction; by default each has its own. A hash is the hash itself. */
  readonly transaction?: number | Hex;
};

/** What a block of the scripted chain holds. */
export type BlockSpec = {
  readonly logs?: readonly LogSpec[];
  /** In Unix seconds; by default the parent's plus the chain's block time. */
  readonly timestamp?: number;
  /** Makes the block's hash another while its content stays. */
  readonly salt?: string;
};

/** A log of the scripted chain. */
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

/** A block of the scripted chain. */
export type ChainBlock = BlockRef & {
  readonly parentHash: Hex;
  readonly timestamp: number;
  readonly logsBloom: Hex;
  readonly transactions: readonly Hex[];
  readonly logs: readonly ChainLog[];
};

/** How the scripted chain behaves. */
export type ChainSettings = {
  readonly chainId?: number;
  readonly blockTimeSeconds?: number;
  readonly genesisTimestamp?: number;
};

/**
 * A deterministic chain in memory: the same steps give the same hashes. Two servers may share one, and `fork` gives a
 * second branch for another server.
 */
export class Chain {
  readonly chainId: number;
  finalized: number | undefined;
  /** Answers `eth_call`; throws an `RpcFault` for a revert. */
  call: (to: Hex, data: Hex, blockNumber: number) => Hex = () => '0x';
  /** Since which block there is code at an address. */
  readonly code = new Map<Hex, number>();
  #blocks: ChainBlock[] = [];
  #branch = 0;
  readonly #settings: ChainSettings;
  readonly #listeners = new Set<(block: ChainBlock) => void>();
  readonly #byHash = new Map<Hex, ChainBlock>();

  constructor(settings: ChainSettings = {}, blocks?: readonly ChainBlock[]) {
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

  /** The canonical block of a hash. */
  blockOf(hash: Hex): ChainBlock | undefined {
    return this.#byHash.get(hash);
  }

  /** Logs of the canonical chain, both ends included. */
  logs(from = 0, to = this.head.number): ChainLog[] {
    return this.#blocks.slice(from, to + 1).flatMap((block) => block.logs);
  }

  /** Adds blocks at the head; announces each. */
  append(...specs: readonly BlockSpec[]): ChainBlock {
    for (const spec of specs) {
      const block = this.#build(spec);
      this.#add(block);
      for (const listener of this.#listeners) listener(block);
    }
    return this.head;
  }

  /** Adds empty blocks. */
  mine(count: number): ChainBlock {
    return this.append(...Array.from({ length: count }, () => ({})));
  }

  /** Takes `depth` blocks away and puts others, of other hashes whatever they hold, in their place. */
  reorg(depth: number, specs: readonly BlockSpec[] = Array.from({ length: depth }, () => ({}))): ChainBlock {
    this.truncate(this.head.number - depth);
    return this.append(...specs);
  }

  /** Takes away what is above a block. */
  truncate(number: number): void {
    if (number < 0 || number > this.head.number) throw new Error(`no block ${number} to go back to`);
    for (const block of this.#blocks.splice(number + 1)) this.#byHash.delete(block.hash);
    this.#branch++;
  }

  /** Another chain that shares the blocks up to `number` and then goes its own way. */
  fork(number: number = this.head.number): Chain {
    const fork = new Chain(this.#settings, this.#blocks.slice(0, number + 1));
    fork.#branch = this.#branch + 1_000;
    fork.finalized = this.finalized;
    fork.call = this.call;
    for (const [address, since] of this.code) fork.code.set(address, since);
    return fork;
  }

  /** Calls back for every block that is added, until the returned function is called. */
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
    const seed = JSON.stringify([this.chainId, this.#branch, number, parentHash, timestamp, specs, spec.salt ?? '']);
    const hash = keccak256(stringToHex(seed));
    const keys = [...new Set(specs.map((log, index) => log.transaction ?? `own ${index}`))];
    const transactions = keys.map((key) =>
      String(key).startsWith('0x') ? (key as Hex) : keccak256(stringToHex(`${hash} transaction ${key}`)),
    );
    let logIndex = 0;
    const logs = specs.map((log, index) => {
      const transactionIndex = keys.indexOf(log.transaction ?? `own ${index}`);
      logIndex = log.logIndex ?? logIndex;
      return {
        address: log.address,
        topics: log.topics,
        data: log.data ?? '0x',
        blockNumber: number,
        blockHash: hash,
        transactionHash: transactions[transactionIndex]!,
        transactionIndex,
        logIndex: logIndex++,
      };
    });
    return { number, hash, parentHash, timestamp, logsBloom: bloomOf(specs), transactions, logs };
  }
}

const BLOOM_BITS = 2048n;

/** The logs bloom (Yellow Paper, 4.3.1), written as a number for clarity: three bits for every address and topic. */
export function bloomOf(logs: readonly Pick<LogSpec, 'address' | 'topics'>[]): Hex {
  let bloom = 0n;
  for (const item of new Set(logs.flatMap((log) => [log.address, ...log.topics]))) {
    const hash = keccak256(item).slice(2);
    for (const at of [0, 4, 8]) bloom |= 1n << (BigInt(`0x${hash.slice(at, at + 4)}`) % BLOOM_BITS);
  }
  return `0x${bloom.toString(16).padStart(512, '0')}`;
}
