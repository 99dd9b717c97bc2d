import type { Contract } from '../kernel/chain.ts';
import { type BlockRange, contains } from '../kernel/ranges.ts';
import type { DecodedBatch } from './fact-lists.ts';
import type { FactTable } from './fact-table.ts';
import type { Origin, Quarantine } from './origin.ts';

/**
 * The facts of one table as text of `COPY … FROM STDIN`, with what is needed to leave some of them out.
 *
 * Bytes instead of objects: what waits to be written costs the garbage collector nothing, and its size is known.
 */
export type EncodedTable = {
  readonly table: FactTable;
  /** The kinds of fact that may be among them. */
  readonly tags: ReadonlySet<string>;
  readonly text: Buffer;
  /** Where each line ends in `text`, behind its newline. */
  readonly ends: Uint32Array;
  /** The block of each line. */
  readonly blocks: Uint32Array;
  /** The contract of each line, by its place in the batch's `contracts`. */
  readonly contracts: Uint32Array;
};

/** The facts of a range, ready to be written. Tables without any are left out; the others come in the order in which commits write to them. */
export type EncodedBatch = {
  readonly contracts: readonly Contract[];
  readonly tables: readonly EncodedTable[];
  readonly quarantined: readonly Quarantine[];
};

/** Text that is turned into bytes at a time. */
const CHUNK_CHARS = 64 * 1024;

/**
 * Turns the facts of a range into the lines of their tables.
 *
 * @param order every table of facts, in the order in which commits write to them
 */
export function encodeBatch({ facts, quarantined }: DecodedBatch, order: readonly FactTable[]): EncodedBatch {
  const places = new Map<Contract, number>();
  const filled = new Set(facts.tables());
  const tables = order.filter((table) => filled.has(table)).map((table) => encode(table, facts.of(table), places));
  return { contracts: [...places.keys()], tables, quarantined };
}

function encode(table: FactTable, facts: readonly Origin[], places: Map<Contract, number>): EncodedTable {
  const ends = new Uint32Array(facts.length);
  const blocks = new Uint32Array(facts.length);
  const contracts = new Uint32Array(facts.length);
  const writer = new Writer(ends);
  let at = 0;
  for (const line of table.lines(facts)) {
    const { contract, log } = facts[at] as Origin;
    let place = places.get(contract);
    if (place === undefined) {
      place = places.size;
      places.set(contract, place);
    }
    blocks[at] = log.blockNumber;
    contracts[at] = place;
    writer.add(line);
    at += 1;
  }
  return { table, tags: tagsOf(table, facts), text: writer.end(), ends, blocks, contracts };
}

function tagsOf(table: FactTable, facts: readonly Origin[]): ReadonlySet<string> {
  const tags = new Set<string>();
  if (table.tagOf !== undefined) for (const fact of facts) tags.add(table.tagOf(fact));
  return tags;
}

/** Gathers lines into bytes and notes where each ends. */
class Writer {
  readonly #ends: Uint32Array;
  readonly #chunks: Buffer[] = [];
  #text = '';
  #bytes = 0;
  /** Lines before those of `#text`. */
  #first = 0;
  #next = 0;

  constructor(ends: Uint32Array) {
    this.#ends = ends;
  }

  add(line: string): void {
    this.#text += line;
    this.#text += '\n';
    // In characters of the chunk, until it is turned into bytes.
    this.#ends[this.#next++] = this.#text.length;
    if (this.#text.length >= CHUNK_CHARS) this.#flush();
  }

  end(): Buffer {
    this.#flush();
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
  }

  #flush(): void {
    const chunk = Buffer.from(this.#text);
    // Only ASCII is as many bytes as characters.
    const isAscii = chunk.length === this.#text.length;
    let start = 0;
    let bytes = this.#bytes;
    for (let line = this.#first; line < this.#next; line++) {
      const end = this.#ends[line] as number;
      bytes += isAscii ? end - start : Buffer.byteLength(this.#text.slice(start, end));
      this.#ends[line] = bytes;
      start = end;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#first = this.#next;
    this.#text = '';
  }
}

/** The batch with only the facts of some contracts and blocks; `quarantined` stays as it is. */
export function keepFacts(
  batch: EncodedBatch,
  keeps: (contract: Contract) => boolean,
  blocks?: readonly BlockRange[],
): EncodedBatch {
  const kept = batch.contracts.map(keeps);
  if (blocks === undefined && kept.every(Boolean)) return batch;
  const tables = batch.tables
    .map((table) =>
      keepLines(
        table,
        (line) =>
          kept[table.contracts[line] as number] === true &&
          (blocks === undefined || contains(blocks, table.blocks[line] as number)),
      ),
    )
    .filter(({ ends }) => ends.length > 0);
  return { ...batch, tables };
}

function keepLines(encoded: EncodedTable, keeps: (line: number) => boolean): EncodedTable {
  const lines: number[] = [];
  for (let line = 0; line < encoded.ends.length; line++) if (keeps(line)) lines.push(line);
  if (lines.length === encoded.ends.length) return encoded;
  const parts: Buffer[] = [];
  const ends = new Uint32Array(lines.length);
  let bytes = 0;
  for (const [at, line] of lines.entries()) {
    const part = encoded.text.subarray(encoded.ends[line - 1] ?? 0, encoded.ends[line]);
    bytes += part.length;
    parts.push(part);
    ends[at] = bytes;
  }
  return {
    table: encoded.table,
    tags: encoded.tags,
    text: Buffer.concat(parts),
    ends,
    blocks: Uint32Array.from(lines, (line) => encoded.blocks[line] as number),
    contracts: Uint32Array.from(lines, (line) => encoded.contracts[line] as number),
  };
}

/** How many facts a batch holds, dead letters included. */
export function factCount({ tables }: EncodedBatch): number {
  return tables.reduce((count, { ends }) => count + ends.length, 0);
}

/** How much text a batch holds, in bytes. */
export function byteCount({ tables }: EncodedBatch): number {
  return tables.reduce((count, { text }) => count + text.length, 0);
}
