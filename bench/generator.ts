import type { Hex } from '../indexer/kernel/chain.ts';
import { bloomBits } from '../indexer/source/bloom.ts';
import { BlockWriter } from './block-logs.ts';
import { type Expected, expectedOf, Ledger } from './ledger.ts';
import { World, type WorldOptions } from './world.ts';

/** Blocks that are made together, from the ledger kept at the first of them. */
const SEGMENT_BLOCKS = 500;
/** Text kept in memory: a chain that is longer is made again, segment by segment, as it is asked for. */
const KEPT_BYTES = 768 * 2 ** 20;
const BLOOM_BYTES = 256;

/** Blocks as the server sends them. */
type Segment = {
  /** The logs of all its blocks as the members of one JSON array. */
  readonly logs: Buffer;
  /** Where the logs of each block begin and end in `logs`. */
  readonly places: readonly { readonly start: number; readonly end: number }[];
  /** Each a JSON object. */
  readonly headers: readonly Buffer[];
  readonly bytes: number;
};

/**
 * The whole chain of a benchmark, block by block, from its options alone.
 *
 * One pass at the beginning keeps the ledger at the start of every segment; blocks are then made in any order.
 */
export class Generator {
  readonly world: World;
  readonly #writer: BlockWriter;
  readonly #ledgers: Ledger[] = [];
  readonly #segments = new Map<number, Segment>();
  readonly #bits = new Map<Hex, readonly number[]>();
  #keptBytes = 0;

  constructor(options: WorldOptions) {
    if (options.events < 4 * options.blocks) throw new RangeError('a block needs at least four events to hold the mix');
    this.world = new World(options);
    this.#writer = new BlockWriter(this.world);
    const ledger = new Ledger(this.world);
    for (let first = 0; first <= options.blocks; first += SEGMENT_BLOCKS) {
      this.#ledgers.push(ledger.clone(this.world));
      // The first segments are kept as they are made; of a chain that fits all are.
      if (this.#keptBytes < KEPT_BYTES) this.#keep(first / SEGMENT_BLOCKS, this.#make(first, ledger));
      else this.#replay(first, this.#lastOf(first), ledger);
    }
  }

  /** A block's header as a JSON object. */
  header(block: number): Buffer {
    return this.#segment(block).headers[block % SEGMENT_BLOCKS] as Buffer;
  }

  /** The logs of a stretch as the members of a JSON array, in parts that are joined by commas. */
  logs(from: number, to: number): readonly Buffer[] {
    const parts: Buffer[] = [];
    for (let first = from; first <= to; first = (Math.floor(first / SEGMENT_BLOCKS) + 1) * SEGMENT_BLOCKS) {
      const { logs, places } = this.#segment(first);
      const last = Math.min(to, this.#lastOf(first - (first % SEGMENT_BLOCKS)));
      const start = places[first % SEGMENT_BLOCKS]?.start as number;
      const end = places[last % SEGMENT_BLOCKS]?.end as number;
      // Block 0 alone has no logs: what follows it begins behind no comma.
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
      this.#keptBytes -= segment.bytes;
    }
    this.#keep(index, segment);
    return segment;
  }

  /** What the database must hold once the blocks up to `block` are in it. */
  expected(block: number): Expected {
    const index = Math.floor(block / SEGMENT_BLOCKS);
    const ledger = (this.#ledgers[index] as Ledger).clone(this.world);
    this.#replay(index * SEGMENT_BLOCKS, block, ledger);
    return expectedOf(this.world, ledger);
  }

  /** The one asked for longest ago goes first. */
  #keep(index: number, segment: Segment): void {
    this.#segments.set(index, segment);
    this.#keptBytes += segment.bytes;
    for (const [oldest, { bytes }] of this.#segments) {
      if (this.#keptBytes <= KEPT_BYTES || oldest === index) return;
      this.#segments.delete(oldest);
      this.#keptBytes -= bytes;
    }
  }

  #make(first: number, ledger: Ledger): Segment {
    const texts: string[] = [];
    const places: { start: number; end: number }[] = [];
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
      places.push({ start: at, end: at + json.length });
      at += json.length;
      const header = Buffer.from(this.#header(block, items), 'latin1');
      bytes += header.length;
      headers.push(header);
    }
    const logs = Buffer.from(texts.join(''), 'latin1');
    return { logs, places, headers, bytes: bytes + logs.length };
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
      receiptsRoot: root,
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

  /** The true bloom of the logs (Yellow Paper, 4.3.1), since the indexer holds it against what it is given. */
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
