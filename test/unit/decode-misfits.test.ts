import { type Abi, type AbiEvent, toEventSelector } from 'viem';
import { describe, expect, test } from 'vitest';
import { dividendV1 } from '../../abis/dividend.v1.ts';
import { erc20V1 } from '../../abis/erc20.v1.ts';
import { erc721cV1 } from '../../abis/erc721c.v1.ts';
import { uniswapV2PairV1 } from '../../abis/uniswap-v2-pair.v1.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import type { Contract, ContractKind, Hex, RawLog } from '../../indexer/kernel/chain.ts';
import { addressOf, blockHashOf, contractOf, encodeEvent, hexOf, logOf, rangeOf } from '../kit/event-logs.ts';
import { type FactsByTable, factsOf } from '../kit/fact-batch.ts';

const abis: Readonly<Record<ContractKind, Abi>> = {
  artist_token: erc20V1,
  master: erc721cV1,
  pool: uniswapV2PairV1,
  dividend: dividendV1,
};
const DIRT = 'c0ffee'.padEnd(24, '0');

const everyEvent = Object.entries(abis).flatMap(([kind, abi]) =>
  abi
    .filter((item): item is AbiEvent => item.type === 'event')
    .map((event) => ({ kind: kind as ContractKind, name: event.name, event })),
);

describe.each(everyEvent)('$kind $name', ({ kind, event }) => {
  const contract = contractOf(kind, 7);
  const good = logOf({ address: contract.address, ...encodeEvent(event, argumentsOf(event)) });

  test('a log that fits its ABI is not a dead letter', () => {
    const batch = decode(contract, good);
    expect(batch.deadLetters).toEqual([]);
    expect(factCount(batch)).toBeGreaterThan(0);
  });

  test.each<[string, Partial<RawLog>]>([
    ['one topic too few', { topics: good.topics.slice(0, -1) }],
    ['one topic too many', { topics: [...good.topics, hexOf(1, 64)] }],
    ['one byte of data too few', { data: good.data === '0x' ? '0x00' : (good.data.slice(0, -2) as Hex) }],
    ['one word of data too many', { data: `${good.data}${'0'.repeat(64)}` }],
    ['one byte of data too many', { data: `${good.data}00` }],
  ])('%s', (_hazard, change) => {
    const log = { ...good, ...change };
    // Without its first topic the log is anonymous and is ignored.
    if (log.topics.length === 0) return expectIgnored(contract, log);
    expectDeadLetter(contract, log, /expected \d topics and \d+ bytes of data, got \d+ and [\d.]+/);
  });

  test.each(narrowWords(event))('nonzero padding of $name', ({ topic, word }) => {
    const log = topic === undefined ? { ...good, data: dirtyData(good.data, word ?? 0) } : dirtyTopic(good, topic);
    expectDeadLetter(contract, log, /does not fit its type/);
  });
});

test('an integer with any bit above its type is a dead letter', () => {
  const pool = contractOf('pool', 7);
  const sync = toEventSelector('Sync(uint112,uint112)');
  for (let bit = 112n; bit < 256n; bit++) {
    const data: Hex = `0x${(1n << bit).toString(16).padStart(64, '0')}${'0'.repeat(64)}`;
    expectDeadLetter(pool, logOf({ address: pool.address, topics: [sync], data }), /does not fit/);
  }
});

test('a Transfer with four topics of an ERC-20, or with three of an ERC-721, is a dead letter', () => {
  const transfer = toEventSelector('Transfer(address,address,uint256)');
  const topics = [transfer, hexOf(1, 64), hexOf(2, 64)];
  const token = contractOf('artist_token', 7);
  expectDeadLetter(token, logOf({ address: token.address, topics: [...topics, hexOf(3, 64)] }), /got 4 and 0/);
  const master = contractOf('master', 8);
  expectDeadLetter(master, logOf({ address: master.address, topics, data: hexOf(3, 64) }), /got 3 and 32/);
});

test('logs without topics, of unknown events and of other addresses are ignored', () => {
  const token = contractOf('artist_token', 7);
  const approval = toEventSelector('Approval(address,address,uint256)');
  const topics = [approval, hexOf(1, 64), hexOf(2, 64)];
  expectIgnored(token, logOf({ address: token.address }));
  expectIgnored(token, logOf({ address: token.address, topics, data: hexOf(3, 64) }));
  const transfer = toEventSelector('Transfer(address,address,uint256)');
  expectIgnored(token, logOf({ address: addressOf(9), topics: [transfer], data: '0x' }));
});

test('an address that is followed as two kinds produces the facts of both', () => {
  const token = contractOf('artist_token', 7);
  const pool = contractOf('pool', 7);
  const transfer = toEventSelector('Transfer(address,address,uint256)');
  const fits = logOf({ address: token.address, topics: [transfer, hexOf(1, 64), hexOf(2, 64)], data: hexOf(3, 64) });
  const misfit = { ...fits, data: '0x' as Hex, logIndex: 1 };
  const batch = factsOf(decodeRange(rangeOf([fits, misfit]), contractIndex([token, pool]), new Map()));
  expect(batch.tokenTransfers).toMatchObject([{ contract: token, value: '3' }]);
  expect(batch.contractEvents).toMatchObject([{ contract: pool, event: 'Transfer', arguments: { value: '3' } }]);
  expect(batch.deadLetters.map((letter) => letter.contract)).toEqual([token, pool]);
});

test('a log whose block has no header or another hash is refused', () => {
  const token = contractOf('artist_token', 7);
  const index = contractIndex([token]);
  for (const change of [{ blockNumber: 200 }, { blockNumber: 100, blockHash: blockHashOf(99) }]) {
    const range = rangeOf([logOf({ address: token.address, ...change })]);
    expect(() => decodeRange(range, index, new Map())).toThrow(/header/);
  }
});

/** Arguments of events by type. An integer has the argument 5. */
const VALUES: Readonly<Record<string, unknown>> = { address: `0x${'ab'.repeat(20)}`, bytes32: hexOf(5, 64) };

function argumentsOf(event: AbiEvent): Record<string, unknown> {
  return Object.fromEntries(event.inputs.map(({ name, type }) => [name, VALUES[type] ?? 5n]));
}

type NarrowWord = { readonly name: string; readonly topic?: number; readonly word?: number };

/** Lists the topics and data words of an event whose type is narrower than 32 bytes. */
function narrowWords(event: AbiEvent): NarrowWord[] {
  let topic = 1;
  let word = 0;
  return event.inputs.flatMap((input) => {
    const place = input.indexed === true ? { topic: topic++ } : { word: word++ };
    return input.type === 'uint256' || input.type === 'bytes32' ? [] : [{ name: String(input.name), ...place }];
  });
}

function dirtyTopic(log: RawLog, topic: number): RawLog {
  const topics = log.topics.map((value, index) => (index === topic ? (`0x${DIRT}${value.slice(26)}` as Hex) : value));
  return { ...log, topics };
}

function dirtyData(data: Hex, word: number): Hex {
  const start = 2 + 64 * word;
  return `${data.slice(0, start)}${DIRT}${data.slice(start + DIRT.length)}` as Hex;
}

function decode(contract: Contract, log: RawLog): FactsByTable {
  const receipt = { gasUsed: 1n, effectiveGasPrice: null, logs: [log] };
  const batch = decodeRange(rangeOf([log]), contractIndex([contract]), new Map([[log.transactionHash, receipt]]));
  expect(batch.quarantined).toEqual([]);
  return factsOf(batch);
}

function factCount(batch: FactsByTable): number {
  return Object.values(batch).reduce((sum, facts) => sum + facts.length, 0);
}

function expectDeadLetter(contract: Contract, log: RawLog, reason: RegExp): void {
  const batch = decode(contract, log);
  expect(batch.deadLetters).toEqual([
    { contract, log, timestamp: 1_700_000_100, reason: expect.stringMatching(reason) as string },
  ]);
  expect(factCount(batch)).toBe(1);
}

function expectIgnored(contract: Contract, log: RawLog): void {
  expect(factCount(decode(contract, log))).toBe(0);
}
