import type { Hex } from '../indexer/kernel/chain.ts';
import { bloomBits } from '../indexer/source/bloom.ts';
import { BlockWriter } from './block-logs.ts';
import { Ledger } from './ledger.ts';
import { World, type WorldOptions } from './world.ts';

/** Blocks that are made together, from a copy of the ledger at the first of them. */
const SEGMENT_BLOCKS = 500;
/** The bound of the cache of segments. Of a longer chain, segments are made again when they are requested. */
const CACHE_BYTES_MAX = 768 * 2 ** 20;
const BLOOM_BYTES = 256;

/** The text of some consecutive blocks, as the server sends it. */
type Segment = {
  /** The logs of all blocks, joined by commas as in a JSON array without its brackets. */
  readonly logs: Buffer;
  /** The offsets at which the logs of each block begin and end in `logs`. */
  readonly offsets: readonly { readonly start: number; readonly end: number }[];
  /** The header of each block as a JSON object. */
  readonly headers: readonly Buffer[];
  readonly bytes: number;
};

/**
 * Makes the chain of a benchmark, which is a function of its options alone.
 *
 * The constructor makes every block once and keeps a copy of the ledger at the start of each segment, so that segments can be made
 * again in any order.
 */
export class Generator {
  readonly world: World;
  readonly #writer: BlockWriter;
  readonly #ledgers: Ledger[] = [];
  readonly #segments = new Map<number, Segment>();
  readonly #bits = new Map<Hex, readonly number[]>();
  #cachedBytes = 0;

  constructor(options: WorldOptions) {
    if (options.events < 4 * options.blocks) throw new RangeError('a block needs at least four events to hold the mix');
    this.world = new World(options);
    this.#writer = new BlockWriter(this.world);
    const ledger = new Ledger(this.world);
    for (let first = 0; first <= options.blocks; first += SEGMENT_BLOCKS) {
      this.#ledgers.push(ledger.clone(this.world));
      // A segment made while the cache has room need not be made again.
      if (this.#cachedBytes < CACHE_BYTES_MAX) this.#cache(first / SEGMENT_BLOCKS, this.#make(first, ledger));
      else this.#replay(first, this.#lastOf(first), ledger);
    }
  }

  /** Returns a block's header as a JSON object. */
  header(block: number): Buffer {
    return this.#segment(block).headers[block % SEGMENT_BLOCKS] as Buffer;
  }

  /** Returns the logs of a block range, both ends included: parts that the caller joins by commas into a JSON array. */
  logs(from: number, to: number): readonly Buffer[] {
    const parts: Buffer[] = [];
    for (let first = from; first <= to; first = (Math.floor(first / SEGMENT_BLOCKS) + 1) * SEGMENT_BLOCKS) {
      const { logs, offsets } = this.#segment(first);
      const last = Math.min(to, this.#lastOf(first - (first % SEGMENT_BLOCKS)));
      const start = offsets[first % SEGMENT_BLOCKS]?.start as number;
      const end = offsets[last % SEGMENT_BLOCKS]?.end as number;
      // Block 0 has no logs, and an empty part must not be joined by a comma.
      if (end > start) parts.push(logs.subarray(start, end));
    }
    return parts;
  }

  #segment(block: number): Segment {
    const index = Math.floor(block / SEGMENT_BLOCKS);
    let segment = this.#segments.get(index);
    if (segment === undefined) {
      const ledger = (this.#ledgers[index] as Ledger).clone(this.world);
      segment = this.#make(index * SEGMENT_BLOCKS, ledger);
    } else {
      this.#segments.delete(index);
      this.#cachedBytes -= segment.bytes;
    }
    this.#cache(index, segment);
    return segment;
  }

  /** Adds a segment to the cache. Removes the least recently requested ones while the cache exceeds its bound. */
  #cache(index: number, segment: Segment): void {
    this.#segments.set(index, segment);
    this.#cachedBytes += segment.bytes;
    for (const [oldest, { bytes }] of this.#segments) {
      if (this.#cachedBytes <= CACHE_BYTES_MAX || oldest === index) return;
      this.#segments.delete(oldest);
      this.#cachedBytes -= bytes;
    }
  }

  #make(first: number, ledger: Ledger): Segment {
    const texts: string[] = [];
    const offsets: { start: number; end: number }[] = [];
    const headers: Buffer[] = [];
    let at = 0;
    let bytes = 0;
    for (let block = first; block <= this.#lastOf(first); block++) {
      const { json, items } = block === 0 ? { json: '', items: new Set<Hex>() } : this.#writer.write(block, ledger);
      if (json !== '' && at > 0) {
        texts.push(',');
        at += 1;
      }
      texts.push(json);
      offsets.push({ start: at, end: at + json.length });
      at += json.length;
      const header = Buffer.from(this.#header(block, items), 'latin1');
      bytes += header.length;
      headers.push(header);
    }
    const logs = Buffer.from(texts.join(''), 'latin1');
    return { logs, offsets, headers, bytes: bytes + logs.length };
  }

  #replay(first: number, last: number, ledger: Ledger): void {
    for (let block = Math.max(1, first); block <= last; block++) this.#writer.write(block, ledger);
  }

  #lastOf(first: number): number {
    return Math.min(first + SEGMENT_BLOCKS - 1, this.world.options.blocks);
  }

  #header(block: number, items: ReadonlySet<Hex>): string {
    const { world } = this;
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
      // Like a chain without receipts roots, whose receipts cannot be proved.
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
      transactions: [],
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
        this.#bits.set(item, bits);
      }
      for (const bit of bits) {
        const at = BLOOM_BYTES - 1 - (bit >> 3);
        bytes[at] = (bytes[at] as number) | (1 << (bit & 7));
      }
    }
    return `0x${bytes.toString('hex')}`;
  }
}
