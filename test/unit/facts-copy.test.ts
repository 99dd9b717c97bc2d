import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { copyHexArray, copyJson, copyText, copyTimestamp } from '../../indexer/facts/copy-text.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { factId, masterNftId } from '../../indexer/facts/ids.ts';
import { writeFacts } from '../../indexer/facts/write.ts';
import { factTables } from '../../indexer/protocols/fact-tables.ts';
import { addressOf, blockHashOf, contractOf, hexOf } from '../kit/event-logs.ts';
import { ALICE, awkwardBatch, emptyBatch, UINT256_MAX } from '../kit/fact-batch.ts';

const empty = emptyBatch();
const batch = awkwardBatch();

test('what COPY gives a meaning to is escaped, and what no text may hold is replaced', () => {
  expect(copyText('a\\b\tc\nd\re\bf\fg\vh')).toBe('a\\\\b\\tc\\nd\\re\\bf\\fg\\vh');
  expect(copyText('\\N')).toBe('\\\\N');
  expect(copyText('\0\ud800é😀')).toBe('\ufffd\ufffdé😀');
  expect(copyHexArray(['0x01', '0x02'])).toBe('{0x01,0x02}');
  expect(copyHexArray([])).toBe('{}');
});

test('a value of jsonb survives COPY and is legal', () => {
  const hostile = { name: 'a\\"\n\0\ud800é', flag: true };
  const unescaped = copyJson(hostile).replaceAll('\\\\', '\\');
  expect(JSON.parse(unescaped)).toEqual({ name: 'a\\"\n\ufffd\ufffdé', flag: true });
  expect(copyJson({ value: '5' })).toBe('{"value":"5"}');
});

test('timestamps are dates up to the last one that both sides know', () => {
  expect(copyTimestamp(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(copyTimestamp(253_402_300_800)).toBe('10000-01-01T00:00:00.000Z');
  expect(copyTimestamp(8_640_000_000_000)).toBe('275760-09-13T00:00:00.000Z');
  for (const timestamp of [8_640_000_000_001, -1, Number.NaN])
    expect(() => copyTimestamp(timestamp)).toThrow(/no date/);
});

test('the id of a fact is a UUID of version 8 that begins with its block and tells every part apart', () => {
  const source = {
    table: 'nft_transfers',
    chainId: 1,
    blockNumber: 0x1234_5678_9abc,
    blockHash: blockHashOf(1),
    logIndex: 2,
  };
  const others = [
    {},
    { table: 'token_transfers' },
    { chainId: 2 },
    { blockHash: blockHashOf(2) },
    { logIndex: 3 },
    { part: '1' },
    { part: '2' },
  ];
  const ids = others.map((change) => factId({ ...source, ...change }));
  expect(new Set(ids).size).toBe(others.length);
  for (const id of ids) expect(id).toMatch(/^12345678-9abc-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const digits = createHash('md5')
    .update(`nft_transfers:1:${blockHashOf(1)}:2`)
    .digest('hex');
  expect(ids[0]?.slice(15, 18)).toBe(digits.slice(0, 3));
  expect(ids[0]?.slice(-12)).toBe(digits.slice(7, 19));
});

test("a token's id is what SQL derives from the same key", () => {
  // select md5('master_nfts:1:0x00000000000000000000000000000000000000aa:5')::uuid
  const digits = createHash('md5')
    .update(`master_nfts:1:${addressOf(0xaa)}:5`)
    .digest('hex');
  expect(masterNftId(1, addressOf(0xaa), '5').replaceAll('-', '')).toBe(digits);
  expect(masterNftId(1, addressOf(0xaa), '5')).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

test('every table writes one line per fact with a value for each of its columns', () => {
  for (const table of factTables) {
    const lines = [...table.lines(batch)];
    expect(lines).toHaveLength(batch[table.list].length);
    for (const line of lines) expect(line.split('\t')).toHaveLength(Object.keys(table.columns).length);
    expect(Object.keys(table.columns)).toEqual(
      expect.arrayContaining(['id', 'chain_id', 'block_number', 'block_hash', 'log_index', 'tx_hash']),
    );
    expect([...table.lines(empty)]).toEqual([]);
  }
  expect(factTables.map((table) => table.list).sort()).toEqual(Object.keys(empty).sort());
});

test('a line says in each column what the fact says', () => {
  const pools = factTables.find((table) => table.name === 'pool_events');
  const [line] = pools?.lines(batch) ?? [];
  const values = line?.split('\t') ?? [];
  const row = Object.fromEntries(Object.keys(pools?.columns ?? {}).map((column, index) => [column, values[index]]));
  expect(row).toEqual({
    id: factId({
      table: 'pool_events',
      chainId: 1,
      blockNumber: 100,
      blockHash: blockHashOf(100),
      logIndex: 0xffffffe2,
    }),
    chain_id: '1',
    tx_hash: hexOf(1, 64),
    block_number: '100',
    block_hash: blockHashOf(100),
    log_index: '4294967266',
    block_timestamp: '2023-11-14T22:13:20.000Z',
    liquidity_pool_id: contractOf('pool', 7).platformId,
    artist_token_id: contractOf('pool', 7).artistTokenId,
    pool_address: addressOf(7),
    event_type: 'swap',
    amount0: `-${UINT256_MAX}`,
    amount1: '5',
    sender: ALICE,
    recipient: '\\N',
  });
});

test('writing touches the tables that have facts, in order', async () => {
  const writes: [string, number][] = [];
  const copy = (table: string, _columns: readonly string[], texts: readonly Buffer[]) => {
    writes.push([table, Buffer.concat(texts).toString().split('\n').length - 1]);
    return Promise.resolve();
  };
  const some = encodeBatch({ ...batch, dividendClaims: [], quarantined: [] });
  const swaps = encodeBatch({ ...empty, poolEvents: batch.poolEvents, quarantined: [] });
  await writeFacts(copy, [some, swaps]);
  expect(writes).toEqual([
    ['public.nft_transfers', 2],
    ['public.token_transfers', 1],
    ['public.pool_events', 2],
    ['public.dividend_events', 1],
    ['indexer.contract_events', 1],
    ['indexer.dead_letters', 1],
  ]);
});
