import type { Hex } from '../indexer/kernel/chain.ts';
import { type BlockLogs, BlockWriter } from './block-logs.ts';
import type { ServedChain } from './generator.ts';
import { HeaderWriter } from './header.ts';
import { Ledger } from './ledger.ts';
import { Random } from './random.ts';
import { TOPIC, World, type WorldOptions } from './world.ts';

/** The transactions and logs of other contracts in a block. Each log adds an address and two topics to the bloom filter, some 150 items. */
const OTHER_TRANSACTIONS = 5;
const OTHER_LOGS_MIN = 40;
const OTHER_LOGS_SPREAD = 21;

/**
 * A chain in which few or no blocks hold logs of followed contracts. All of its blocks hold transfers of other tokens, so that their
 * bloom filters are as full as those of a public chain. Blocks are made when they are requested, because there are millions of them.
 */
export class QuietChain implements ServedChain {
  readonly world: World;
  readonly #headers: HeaderWriter;
  /** The logs of followed contracts, by block. */
  readonly #followed = new Map<number, BlockLogs>();

  constructor(options: WorldOptions) {
    const { stride, blocks } = options;
    this.world = new World(options);
    this.#headers = new HeaderWriter(this.world);
    const writer = new BlockWriter(this.world);
    const ledger = new Ledger(this.world);
    for (let block = stride; block <= blocks; block += stride) this.#followed.set(block, writer.write(block, ledger));
  }

  header(block: number): Buffer {
    const followed = this.#followed.get(block);
    const others = this.#others(block, 0);
    const transactions = [...(followed?.json ?? '').matchAll(/"transactionHash":"(0x\w+)"/g)].map(
      ([, hash]) => hash as Hex,
    );
    const items = new Set([...(followed?.items ?? []), ...others.items]);
    return Buffer.from(this.#headers.write(block, items, [...new Set(transactions), ...others.transactions]), 'latin1');
  }

  logs(from: number, to: number): readonly Buffer[] {
    const parts: Buffer[] = [];
    const { stride } = this.world.options;
    for (let block = Math.ceil(from / stride) * stride; block <= to; block += stride) {
      const json = this.#followed.get(block)?.json;
      if (json) parts.push(Buffer.from(json, 'latin1'));
    }
    return parts;
  }

  allLogs(from: number, to: number): readonly Buffer[] {
    const parts: Buffer[] = [];
    for (let block = from; block <= to; block++) {
      const followed = this.logs(block, block);
      const count = (followed[0]?.toString('latin1').match(/"logIndex"/g) ?? []).length;
      parts.push(...followed, Buffer.from(this.#others(block, count).json, 'latin1'));
    }
    return parts;
  }

  /** Returns the logs of other contracts in a block. Their log indices begin at `logIndex`. */
  #others(block: number, logIndex: number): BlockLogs & { readonly transactions: readonly Hex[] } {
    const { world } = this;
    const random = new Random(world.options.seed, 8, block);
    const transactions = Array.from({ length: OTHER_TRANSACTIONS }, () => `0x${random.hex(64)}` as const);
    const items = new Set<Hex>([TOPIC.transfer]);
    const count = OTHER_LOGS_MIN + random.below(OTHER_LOGS_SPREAD);
    const logs = Array.from({ length: count }, (_, at) => {
      const [address, ...parties] = [40, 64, 64].map((digits) => `0x${random.hex(digits)}` as const);
      const transactionIndex = Math.floor((at * OTHER_TRANSACTIONS) / count);
      for (const item of [address as Hex, ...parties]) items.add(item);
      return JSON.stringify({
        address,
        topics: [TOPIC.transfer, ...parties],
        data: `0x${random.hex(64)}`,
        blockNumber: `0x${block.toString(16)}`,
        blockHash: world.blockHash(block),
        blockTimestamp: `0x${world.timestamp(block).toString(16)}`,
        transactionHash: transactions[transactionIndex],
        transactionIndex: `0x${transactionIndex.toString(16)}`,
        logIndex: `0x${(logIndex + at).toString(16)}`,
        removed: false,
      });
    });
    return { json: logs.join(','), items, transactions };
  }
}
