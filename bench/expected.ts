import { hash } from 'node:crypto';
import type { Hex } from '../indexer/kernel/chain.ts';
import type { Row, Tables } from '../test/kit/oracle/fact-rows.ts';
import type { OracleBlock, OracleContract } from '../test/kit/oracle/facts.ts';
import { Oracle } from '../test/kit/oracle/oracle.ts';

/** The number of blocks in a span. Rows of facts are compared by one checksum for each table and span. */
export const SPAN_BLOCKS = 500;
/** Separates the columns of a row in the text that is hashed. */
export const SEPARATOR = '\u001f';
/** Stands for null in the text that is hashed. */
export const NULL_MARK = '\u001e';
/** A row's hash is this many hexadecimal digits of its MD5, which are 64 bits. */
export const HASHED_DIGITS = 16;

/** A log as the chain server reports it. */
export type ServedLog = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: Hex;
  readonly blockHash: Hex;
  readonly blockTimestamp: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: Hex;
};

/** Reads the logs of a block range, both ends included, in the order of the chain. */
export type ReadLogs = (from: number, to: number) => Promise<readonly ServedLog[]>;

/** The number of rows in a span, and the sum of their hashes. */
export type SpanSum = { readonly rows: number; readonly sum: bigint };

/** The content that a database must have after a block, computed from the logs of the chain by the oracle of the tests. */
export type Expected = {
  /** For each table of facts and each span, the number of rows and the sum of their hashes. A span is block number / `SPAN_BLOCKS`. */
  readonly facts: ReadonlyMap<string, ReadonlyMap<number, SpanSum>>;
  /** The rows of the tables of state. */
  readonly state: Tables;
  /** Computes the rows of facts of one span again, so that a span whose checksum differs can be compared row by row. */
  factsOf(span: number): Promise<Tables>;
};

/** Folds the logs of the blocks 1 to `block`. Keeps the state and the sums, not the rows of facts. */
export async function expectedAfter(
  block: number,
  contracts: readonly OracleContract[],
  readLogs: ReadLogs,
): Promise<Expected> {
  const facts = new Map<string, Map<number, SpanSum>>();
  const oracle = new Oracle(contracts, { onFact: (table, row) => addToSum(facts, table, row) });
  for (let span = 0; span * SPAN_BLOCKS <= block; span++) await addSpan(oracle, span, block, readLogs);
  return {
    facts,
    state: oracle.tables(),
    async factsOf(span) {
      const ofSpan = new Oracle(contracts);
      await addSpan(ofSpan, span, block, readLogs);
      return ofSpan.tables();
    },
  };
}

async function addSpan(oracle: Oracle, span: number, lastBlock: number, readLogs: ReadLogs): Promise<void> {
  const from = Math.max(1, span * SPAN_BLOCKS);
  const to = Math.min(lastBlock, (span + 1) * SPAN_BLOCKS - 1);
  if (from > to) return;
  for (const block of blocksOf(await readLogs(from, to))) oracle.addBlock(block);
}

function blocksOf(logs: readonly ServedLog[]): OracleBlock[] {
  return [...Map.groupBy(logs, ({ blockNumber }) => blockNumber)].map(([blockNumber, served]) => ({
    number: Number(blockNumber),
    timestamp: Number(served[0]?.blockTimestamp),
    logs: served.map((log) => ({
      address: log.address,
      topics: log.topics,
      data: log.data,
      blockNumber: Number(log.blockNumber),
      blockHash: log.blockHash,
      transactionHash: log.transactionHash,
      logIndex: Number(log.logIndex),
    })),
  }));
}

function addToSum(facts: Map<string, Map<number, SpanSum>>, table: string, row: Row): void {
  let spans = facts.get(table);
  if (spans === undefined) {
    spans = new Map();
    facts.set(table, spans);
  }
  const span = Math.floor(Number(row.block_number) / SPAN_BLOCKS);
  const { rows, sum } = spans.get(span) ?? { rows: 0, sum: 0n };
  spans.set(span, { rows: rows + 1, sum: sum + hashOf(row) });
}

/** Returns the hash of a row, as `sumsOf` in check.ts computes it in SQL: 64 bits of the MD5 of its columns, in order of their names. */
function hashOf(row: Row): bigint {
  const columns = Object.keys(row).sort();
  const text = columns.map((column) => row[column] ?? NULL_MARK).join(SEPARATOR);
  return BigInt.asIntN(64, BigInt(`0x${hash('md5', text, 'hex').slice(0, HASHED_DIGITS)}`));
}
