import type { Hex } from '../indexer/kernel/chain.ts';
import { bloomBits } from '../indexer/source/bloom.ts';
import type { World } from './world.ts';

const BLOOM_BYTES = 256;
/** The maximum number of addresses and topics whose bloom bits are cached. Followed contracts and their wallets appear in many blocks. */
const CACHED_ITEMS_MAX = 65_536;

/** Writes the headers of a chain as JSON. */
export class HeaderWriter {
  readonly #world: World;
  readonly #bits = new Map<Hex, readonly number[]>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Returns the header of a block as a JSON object, with the bloom filter of these addresses and topics. */
  write(block: number, items: ReadonlySet<Hex>, transactions: readonly Hex[]): string {
    const world = this.#world;
    const parentHash = block === 0 ? `0x${'0'.repeat(64)}` : world.blockHash(block - 1);
    const root = `0x${'56e81f17'.repeat(8)}`;
    return JSON.stringify({
      number: `0x${block.toString(16)}`,
      hash: world.blockHash(block),
      parentHash,
      timestamp: `0x${world.timestamp(block).toString(16)}`,
      logsBloom: this.#bloom(items),
      stateRoot: root,
      transactionsRoot: root,
      // Zero, as on a chain without receipts roots, so the indexer cannot prove the receipts.
      receiptsRoot: `0x${'0'.repeat(64)}`,
      sha3Uncles: root,
      mixHash: root,
      nonce: '0x0000000000000000',
      miner: `0x${'42'.repeat(20)}`,
      extraData: '0x',
      difficulty: '0x0',
      gasLimit: '0x1c9c380',
      gasUsed: '0x1234567',
      baseFeePerGas: '0x3b9aca00',
      size: '0x8000',
      transactions,
      uncles: [],
    });
  }

  /** Returns the bloom filter of the logs (Yellow Paper, 4.3.1), with which the indexer verifies the logs that it receives. */
  #bloom(items: ReadonlySet<Hex>): Hex {
    const bytes = Buffer.alloc(BLOOM_BYTES);
    for (const item of items) {
      let bits = this.#bits.get(item);
      if (bits === undefined) {
        bits = bloomBits(item);
        if (this.#bits.size < CACHED_ITEMS_MAX) this.#bits.set(item, bits);
      }
      for (const bit of bits) {
        const at = BLOOM_BYTES - 1 - (bit >> 3);
        bytes[at] = (bytes[at] as number) | (1 << (bit & 7));
      }
    }
    return `0x${bytes.toString('hex')}`;
  }
}
