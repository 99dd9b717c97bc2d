import type { Hex } from '../indexer/kernel/chain.ts';
import { BlockWriter } from './block-logs.ts';
import { HeaderWriter } from './header.ts';
import { Ledger } from './ledger.ts';
import { World, type WorldOptions } from './world.ts';

/** The number of blocks of a segment. They are made together, from a copy of the ledger as of the start of the segment. */
const SEGMENT_BLOCKS = 500;
/** The maximum size of the cache of segments. Segments of a chain that does not fit are made again when they are requested. */
const CACHE_BYTES_MAX = 768 * 2 ** 20;

/** The blocks of a chain as JSON text. */
export type ServedChain = {
  readonly world: World;
  /** Returns a block's header as a JSON object. */
  header(block: number): Buffer;
  /**
   * Returns the logs of followed contracts in a block range, both ends included: parts that the caller joins by commas into a JSON
   * array.
   */
  logs(from: number, to: number): readonly Buffer[];
  /** Returns the logs of all contracts, as `logs` does. */
  allLogs(from: number, to: number): readonly Buffer[];
};

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
export class Generator implements ServedChain {
  readonly world: World;
  readonly #writer: BlockWriter;
  readonly #headers: HeaderWriter;
  readonly #ledgers: Ledger[] = [];
  readonly #segments = new Map<number, Segment>();
  #cachedBytes = 0;

  constructor(options: WorldOptions) {
    if (options.events < 4 * options.blocks) throw new RangeError('a block needs at least four events to hold the mix');
    this.world = new World(options);
    this.#writer = new BlockWriter(this.world);
    this.#headers = new HeaderWriter(this.world);
    const ledger = new Ledger(this.world);
    for (let first = 0; first <= options.blocks; first += SEGMENT_BLOCKS) {
      this.#ledgers.push(ledger.clone(this.world));
      // A segment made while the cache has room need not be made again.
      if (this.#cachedBytes < CACHE_BYTES_MAX) this.#cache(first / SEGMENT_BLOCKS, this.#make(first, ledger));
      else this.#replay(first, this.#lastOf(first), ledger);
    }
  }

  header(block: number): Buffer {
    return this.#segment(block).headers[block % SEGMENT_BLOCKS] as Buffer;
  }

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

  /** Returns the same as `logs`, because all contracts of this chain are followed. */
  allLogs(from: number, to: number): readonly Buffer[] {
    return this.logs(from, to);
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
      const header = Buffer.from(this.#headers.write(block, items, []), 'latin1');
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
}
