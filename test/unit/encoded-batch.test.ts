import { expect, test } from 'vitest';
import { byteCount, type EncodedBatch, encodeBatch, factCount, keepFacts } from '../../indexer/facts/encoded-batch.ts';
import type { DecodedBatch } from '../../indexer/facts/fact-lists.ts';
import type { Contract } from '../../indexer/kernel/chain.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { blockHashOf, contractOf } from '../kit/event-logs.ts';
import { batchOf as batchOfLists, extremeFacts } from '../kit/fact-batch.ts';

const [token, pool] = [contractOf('artist_token', 1), contractOf('pool', 2)];

/** Returns one transfer and one pool event for each block, some with characters of several bytes. */
function batchOf(blocks: number): DecodedBatch {
  const { tokenTransfers, contractEvents } = extremeFacts();
  const at = <Fact extends object>(fact: Fact | undefined, contract: Contract, block: number) => {
    const { log, ...rest } = fact as Fact & { readonly log: object };
    return { ...rest, contract, log: { ...log, blockNumber: block, blockHash: blockHashOf(block) } } as never;
  };
  const numbers = Array.from({ length: blocks }, (_, block) => block);
  const words = (block: number) => ({ name: block % 3 === 0 ? 'é😀' : 'e', value: `${block}` });
  return batchOfLists({
    tokenTransfers: numbers.map((block) => at(tokenTransfers[0], token, block)),
    contractEvents: numbers.map((block) => at({ ...contractEvents[0], arguments: words(block) }, pool, block)),
  });
}

function linesOf({ tables }: EncodedBatch): readonly (readonly [string, string])[] {
  return tables.flatMap(({ table, text, ends }) =>
    Array.from(ends, (end, line) => [table.name, text.subarray(ends[line - 1] ?? 0, end).toString()] as const),
  );
}

test('an encoded batch holds the lines of each table, each with its newline, block and contract', () => {
  // The batch is so long that the encoder converts it to bytes in several parts.
  const batch = batchOf(1_000);
  const encoded = encodeBatch(batch, factTables);
  const expected = factTables.flatMap((table) =>
    [...table.lines(batch.facts.of(table))].map((line) => [table.name, `${line}\n`]),
  );
  expect(linesOf(encoded)).toEqual(expected);
  expect(factCount(encoded)).toBe(2_000);
  expect(byteCount(encoded)).toBe(expected.reduce((bytes, [, line]) => bytes + Buffer.byteLength(line as string), 0));
  for (const { blocks, contracts, table } of encoded.tables) {
    expect([...blocks]).toEqual(Array.from({ length: 1_000 }, (_, block) => block));
    const [only] = new Set(contracts);
    expect(encoded.contracts[only as number]).toBe(table.name === 'token_transfers' ? token : pool);
  }
  expect(encodeBatch(batchOf(0), factTables).tables).toEqual([]);
});

test('keepFacts selects facts by contract and block, byte for byte', () => {
  const whole = encodeBatch(batchOf(300), factTables);
  expect(keepFacts(whole, () => true)).toBe(whole);
  const blocks = [
    { from: 5, to: 9 },
    { from: 100, to: 100 },
  ];
  const kept = keepFacts(whole, ({ kind }) => kind === 'pool', blocks);
  const numbers = [5, 6, 7, 8, 9, 100];
  const eventLines = linesOf(whole).filter(([table]) => table === 'contract_events');
  expect(linesOf(kept)).toEqual(numbers.map((block) => eventLines[block]));
  expect(kept.tables.map((part) => [part.table.name, [...part.blocks]])).toEqual([['contract_events', numbers]]);
  expect(keepFacts(kept, ({ kind }) => kind === 'pool', [{ from: 6, to: 7 }]).tables[0]?.text).toEqual(
    Buffer.from(`${eventLines[6]?.[1]}${eventLines[7]?.[1]}`),
  );
  expect(keepFacts(whole, () => false).tables).toEqual([]);
});
