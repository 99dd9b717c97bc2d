import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { copyHexArray, copyJson, copyText, copyTimestamp } from '../../indexer/facts/copy-text.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { branchOf, factId, masterNftId, tokenPart } from '../../indexer/facts/ids.ts';
import { writeFacts } from '../../indexer/facts/write.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { addressOf, blockHashOf, contractOf, hexOf } from '../kit/event-logs.ts';
import { ALICE, batchOf, extremeFacts, UINT256_MAX } from '../kit/fact-batch.ts';

const lists = extremeFacts();
const { facts } = batchOf(lists);

test('characters with a meaning in COPY are escaped, and characters that PostgreSQL text cannot hold are replaced', () => {
  expect(copyText('a\\b\tc\nd\re\bf\fg\vh')).toBe('a\\\\b\\tc\\nd\\re\\bf\\fg\\vh');
  expect(copyText('\\N')).toBe('\\\\N');
  expect(copyText('\0\ud800é😀')).toBe('\ufffd\ufffdé😀');
  expect(copyHexArray(['0x01', '0x02'])).toBe('{0x01,0x02}');
  expect(copyHexArray([])).toBe('{}');
});

test('a hostile jsonb value survives COPY as legal JSON', () => {
  const hostile = { name: 'a\\"\n\0\ud800é', flag: true };
  const unescaped = copyJson(hostile).replaceAll('\\\\', '\\');
  expect(JSON.parse(unescaped)).toEqual({ name: 'a\\"\n\ufffd\ufffdé', flag: true });
  expect(copyJson({ value: '5' })).toBe('{"value":"5"}');
});

test('timestamps are converted up to the last date that JavaScript supports, and refused beyond', () => {
  expect(copyTimestamp(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(copyTimestamp(253_402_300_800)).toBe('10000-01-01T00:00:00.000Z');
  expect(copyTimestamp(8_640_000_000_000)).toBe('275760-09-13T00:00:00.000Z');
  for (const timestamp of [8_640_000_000_001, -1, Number.NaN])
    expect(() => copyTimestamp(timestamp)).toThrow(/out of range/);
});

test('a fact id is a UUID of version 8 that sorts by block and log and differs when any of its parts differs', () => {
  const branch = branchOf(1, blockHashOf(1));
  expect(factId(0x1234_5678, '123456789', 0xfedc_ba98, 0xabcde)).toBe('12345678-fedc-8ba9-8812-3456789abcde');
  const ids = [
    factId(1, branch, 2, 0),
    factId(1, branch, 2, 1),
    factId(1, branch, 3, 0),
    factId(1, branch, 0x1_0000, 0),
    factId(2, branch, 0, 0),
    factId(0x7fff_ffff, branch, 0xffff_ffff, 0xfffff),
  ];
  expect(ids).toEqual([...ids].sort());
  const otherBranches = [branchOf(1, blockHashOf(2)), branchOf(2, blockHashOf(1))].map((other) =>
    factId(1, other, 2, 0),
  );
  expect(new Set([...ids, ...otherBranches]).size).toBe(ids.length + 2);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('the tokens of one log get distinct id parts, however large their token ids are', () => {
  const first = 2n ** 256n - 10_000n;
  const large = Array.from({ length: 10_000 }, (_, token) => tokenPart(`${first + BigInt(token)}`));
  const small = Array.from({ length: 10_000 }, (_, token) => tokenPart(`${1_048_000 + token}`));
  for (const parts of [large, small]) {
    expect(new Set(parts).size).toBe(10_000);
    for (const part of parts) expect(part).toBeLessThan(2 ** 20);
  }
});

test("a token row's id equals what SQL derives from the same key", () => {
  // select md5('master_nfts:1:0x00000000000000000000000000000000000000aa:5')::uuid
  const digits = createHash('md5')
    .update(`master_nfts:1:${addressOf(0xaa)}:5`)
    .digest('hex');
  expect(masterNftId(1, addressOf(0xaa), '5').replaceAll('-', '')).toBe(digits);
  expect(masterNftId(1, addressOf(0xaa), '5')).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

test('every table writes one line per fact with a value for each of its columns', () => {
  for (const table of factTables) {
    const lines = [...table.lines(facts.of(table))];
    expect(lines).toHaveLength(facts.of(table).length);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line.split('\t')).toHaveLength(Object.keys(table.columns).length);
    expect(Object.keys(table.columns)).toEqual(
      expect.arrayContaining(['id', 'chain_id', 'block_number', 'block_hash', 'log_index', 'tx_hash']),
    );
    expect([...table.lines([])]).toEqual([]);
  }
  expect(factTables.length).toBe(Object.keys(lists).length);
});

test('a line holds the value of the fact in each column', () => {
  const pools = factTables.find((table) => table.name === 'pool_events');
  const [line] = pools?.lines(lists.poolEvents) ?? [];
  const values = line?.split('\t') ?? [];
  const row = Object.fromEntries(Object.keys(pools?.columns ?? {}).map((column, index) => [column, values[index]]));
  expect(row).toEqual({
    id: factId(100, branchOf(1, blockHashOf(100)), 0xffffffe2, 0),
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

test('writing copies into the tables that have facts, in order', async () => {
  const writes: [string, number][] = [];
  const copy = (table: string, _columns: readonly string[], texts: Iterable<Buffer>) => {
    writes.push([
      table,
      Buffer.concat([...texts])
        .toString()
        .split('\n').length - 1,
    ]);
    return Promise.resolve();
  };
  const withoutClaims = encodeBatch(batchOf({ ...lists, dividendClaims: [] }), factTables);
  const swaps = encodeBatch(batchOf({ poolEvents: lists.poolEvents }), factTables);
  await writeFacts(copy, factTables, [withoutClaims, swaps]);
  expect(writes).toEqual([
    ['public.nft_transfers', 2],
    ['public.token_transfers', 1],
    ['public.pool_events', 2],
    ['public.dividend_events', 1],
    ['indexer.contract_events', 1],
    ['indexer.dead_letters', 1],
  ]);
});
