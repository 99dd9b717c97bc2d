import type { Contract } from '../kernel/chain.ts';
import { type BlockRange, contains } from '../kernel/ranges.ts';
import type { DecodedBatch } from './fact-lists.ts';
import type { FactTable } from './fact-table.ts';
import type { Origin, Quarantine } from './origin.ts';

/**
 * The facts of one table as text of `COPY … FROM STDIN`. The block, the contract and the end of each line in the text are kept too, so that
 * lines can be filtered.
 *
 * The text is bytes and not objects, so that it does not burden the garbage collector while it waits for a commit, and its size is known.
 * Only facts that become very many rows each are not in the text: their lines are made each time they are read (`spans`).
 */
export type EncodedTable = {
  readonly table: FactTable;
  /** The tags of the facts. After lines were removed, the set may still hold tags of the removed facts. */
  readonly tags: ReadonlySet<string>;
  readonly text: Buffer;
  /** For each line, the offset in `text` just after its newline. */
  readonly ends: Uint32Array;
  /** The block of each line. */
  readonly blocks: Uint32Array;
  /** The contract of each line, as an index into the batch's `contracts`. */
  readonly contracts: Uint32Array;
  /** The facts that become many rows each. Their lines are not in `text`. */
  readonly spans: readonly Span[];
};

/** A fact that becomes many rows. Its lines are generated each time that they are read, so that they need not be kept in memory. */
export type Span = {
  readonly block: number;
  /** An index into the batch's `contracts`. */
  readonly contract: number;
  readonly count: number;
  lines(): Iterable<string>;
};

/** The facts of a range, ready to be written. `tables` holds only tables with facts, in the order in which commits write to them. */
export type EncodedBatch = {
  readonly contracts: readonly Contract[];
  readonly tables: readonly EncodedTable[];
  readonly quarantined: readonly Quarantine[];
};

/** Lines are collected as text until it has this many characters. Then it is converted to bytes. */
const CHUNK_CHARS = 64 * 1024;
/** A fact that becomes more rows than this is encoded as a span. */
const SPAN_ROWS_MIN = 1_000;

/**
 * Encodes the facts of a range as lines of their tables.
 *
 * @param order every table of facts, in the order in which commits write to them
 */
export function encodeBatch({ facts, quarantined }: DecodedBatch, order: readonly FactTable[]): EncodedBatch {
  const contractIndexes = new Map<Contract, number>();
  const filled = new Set(facts.tables());
  const tables = order
    .filter((table) => filled.has(table))
    .map((table) => encode(table, facts.of(table), contractIndexes));
  return { contracts: [...contractIndexes.keys()], tables, quarantined };
}

function encode(table: FactTable, facts: readonly Origin[], contractIndexes: Map<Contract, number>): EncodedTable {
  const rowsOf = (fact: Origin) => table.rowCount?.(fact) ?? 1;
  const isSpan = (fact: Origin) => rowsOf(fact) > SPAN_ROWS_MIN;
  const indexOf = (contract: Contract) => {
    let contractIndex = contractIndexes.get(contract);
    if (contractIndex === undefined) {
      contractIndex = contractIndexes.size;
      contractIndexes.set(contract, contractIndex);
    }
    return contractIndex;
  };
  const spans = facts.filter(isSpan).map((fact) => ({
    ...{ block: fact.log.blockNumber, contract: indexOf(fact.contract), count: rowsOf(fact) },
    lines: () => table.lines([fact]),
  }));
  const single = spans.length === 0 ? facts : facts.filter((fact) => !isSpan(fact));
  const size = table.rowCount === undefined ? single.length : single.reduce((rows, fact) => rows + rowsOf(fact), 0);
  const [ends, blocks, contracts] = [new Uint32Array(size), new Uint32Array(size), new Uint32Array(size)];
  const writer = new Writer(ends);
  let index = 0;
  let next = 0;
  let rowsLeft = 0;
  let contractIndex = 0;
  let block = 0;
  for (const line of table.lines(single)) {
    if (rowsLeft === 0) {
      const fact = single[next++] as Origin;
      contractIndex = indexOf(fact.contract);
      block = fact.log.blockNumber;
      rowsLeft = rowsOf(fact);
    }
    blocks[index] = block;
    contracts[index] = contractIndex;
    writer.add(line);
    index += 1;
    rowsLeft -= 1;
  }
  return { table, tags: tagsOf(table, facts), text: writer.end(), ends, blocks, contracts, spans };
}

function tagsOf(table: FactTable, facts: readonly Origin[]): ReadonlySet<string> {
  const tags = new Set<string>();
  if (table.tagOf !== undefined) for (const fact of facts) tags.add(table.tagOf(fact));
  return tags;
}

/** Converts lines to bytes and records the offset at which each line ends. */
class Writer {
  readonly #ends: Uint32Array;
  readonly #chunks: Buffer[] = [];
  #text = '';
  #bytes = 0;
  /** The index of the first line in `#text`. */
  #firstLine = 0;
  #nextLine = 0;

  constructor(ends: Uint32Array) {
    this.#ends = ends;
  }

  add(line: string): void {
    this.#text += line;
    this.#text += '\n';
    // This is a count of characters in `#text`. `#flush` replaces it by an offset in bytes.
    this.#ends[this.#nextLine++] = this.#text.length;
    if (this.#text.length >= CHUNK_CHARS) this.#flush();
  }

  end(): Buffer {
    this.#flush();
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
  }

  #flush(): void {
    const chunk = Buffer.from(this.#text);
    // Text that has as many bytes as characters is ASCII.
    const isAscii = chunk.length === this.#text.length;
    let start = 0;
    let bytes = this.#bytes;
    for (let line = this.#firstLine; line < this.#nextLine; line++) {
      const end = this.#ends[line] as number;
      bytes += isAscii ? end - start : Buffer.byteLength(this.#text.slice(start, end));
      this.#ends[line] = bytes;
      start = end;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#firstLine = this.#nextLine;
    this.#text = '';
  }
}

/**
 * Returns the batch with only the facts whose contract `keep` accepts and whose block is in `blocks` (default: all blocks). `quarantined`
 * stays unchanged.
 */
export function keepFacts(
  batch: EncodedBatch,
  keep: (contract: Contract) => boolean,
  blocks?: readonly BlockRange[],
): EncodedBatch {
  const kept = batch.contracts.map(keep);
  if (blocks === undefined && kept.every(Boolean)) return batch;
  const keeps = (contract: number, block: number) =>
    kept[contract] === true && (blocks === undefined || contains(blocks, block));
  const tables = batch.tables
    .map((table) => ({
      ...keepLines(table, (line) => keeps(table.contracts[line] as number, table.blocks[line] as number)),
      spans: table.spans.filter(({ contract, block }) => keeps(contract, block)),
    }))
    .filter(hasFacts);
  return { ...batch, tables };
}

/** Returns the batch with only the facts whose ids are in `ids`. `quarantined` stays unchanged. */
export function keepIds(batch: EncodedBatch, ids: ReadonlySet<string>): EncodedBatch {
  const tables = batch.tables
    .map((table) => ({
      ...keepLines(table, (line) => ids.has(idOf(table, line))),
      spans: table.spans.map((span) => keepSpanIds(span, ids)).filter(({ count }) => count > 0),
    }))
    .filter(hasFacts);
  return { ...batch, tables };
}

function keepSpanIds(span: Span, ids: ReadonlySet<string>): Span {
  function* lines() {
    for (const line of span.lines()) if (ids.has(line.slice(0, ID_CHARS))) yield line;
  }
  let count = 0;
  for (const _ of lines()) count += 1;
  return { ...span, count, lines };
}

function hasFacts({ ends, spans }: EncodedTable): boolean {
  return ends.length > 0 || spans.length > 0;
}

/** Returns the id of a fact, which is the first value of its line. */
function idOf({ text, ends }: EncodedTable, line: number): string {
  const begin = ends[line - 1] ?? 0;
  return text.toString('latin1', begin, begin + ID_CHARS);
}

/** The number of characters of a UUID. */
const ID_CHARS = 36;

function keepLines(encoded: EncodedTable, keep: (line: number) => boolean): EncodedTable {
  const lines: number[] = [];
  for (let line = 0; line < encoded.ends.length; line++) if (keep(line)) lines.push(line);
  if (lines.length === encoded.ends.length) return encoded;
  const parts: Buffer[] = [];
  const ends = new Uint32Array(lines.length);
  let bytes = 0;
  for (const [index, line] of lines.entries()) {
    const part = encoded.text.subarray(encoded.ends[line - 1] ?? 0, encoded.ends[line]);
    bytes += part.length;
    parts.push(part);
    ends[index] = bytes;
  }
  return {
    ...{ table: encoded.table, tags: encoded.tags, spans: encoded.spans },
    text: Buffer.concat(parts),
    ends,
    blocks: Uint32Array.from(lines, (line) => encoded.blocks[line] as number),
    contracts: Uint32Array.from(lines, (line) => encoded.contracts[line] as number),
  };
}

/** Returns the number of facts in a batch, including dead letters. */
export function factCount(batch: EncodedBatch): number {
  return batch.tables.reduce((count, table) => count + factCountOf(table), 0);
}

/** Returns the number of facts of one table. */
export function factCountOf({ ends, spans }: EncodedTable): number {
  return spans.reduce((sum, span) => sum + span.count, ends.length);
}

/** Returns the size of a batch's text in bytes. The size of a span is estimated from its first line. */
export function byteCount({ tables }: EncodedBatch): number {
  return tables.reduce(
    (bytes, { text, spans }) => spans.reduce((sum, span) => sum + span.count * lineBytes(span), bytes + text.length),
    0,
  );
}

function lineBytes(span: Span): number {
  for (const line of span.lines()) return line.length + 1;
  return 0;
}

/** Yields the text of a table's facts in several buffers, so that the lines of spans are not all in memory at once. */
export function* textsOf({ text, spans }: EncodedTable): Iterable<Buffer> {
  if (text.length > 0) yield text;
  for (const span of spans) {
    let part = '';
    for (const line of span.lines()) {
      part += line;
      part += '\n';
      if (part.length < CHUNK_CHARS) continue;
      yield Buffer.from(part);
      part = '';
    }
    if (part.length > 0) yield Buffer.from(part);
  }
}
