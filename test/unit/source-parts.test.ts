import { expect, test } from 'vitest';
import type { BlockHeader, Hex } from '../../indexer/kernel/chain.ts';
import { AnchorMismatch, RpcInconsistency } from '../../indexer/kernel/errors.ts';
import { backoffMs } from '../../indexer/kernel/retry.ts';
import { createLimiter, mapLimit } from '../../indexer/rpc/concurrency.ts';
import { createRangeSize } from '../../indexer/rpc/range-size.ts';
import { createBlooms } from '../../indexer/source/bloom.ts';
import { indexFilter, parseHeader } from '../../indexer/source/parse.ts';
import { verifyLinks } from '../../indexer/source/verify.ts';
import { bloomOf } from '../kit/chain.ts';
import { ADDRESS, OTHER_ADDRESS, TOPIC, WATCH } from '../kit/source-fixture.ts';

const hash = (digit: string): Hex => `0x${digit.repeat(64)}`;
const endpoint = { name: 'node.example#0', label: 'RPC_URL_7', chainId: 7 };
const rawHeader = { number: '0x10', hash: hash('1'), parentHash: hash('0'), timestamp: '0x65', logsBloom: '0x00' };

test.each([
  ['number', null],
  ['number', 16],
  ['number', '0x80000000'],
  ['number', '0x'],
  ['hash', null],
  ['hash', '0x12'],
  ['parentHash', undefined],
  ['timestamp', null],
  ['timestamp', `0x${'f'.repeat(40)}`],
  ['timestamp', 'soon'],
  ['logsBloom', '0xz'],
])('a header whose %s is %j is an inconsistency', (field, value) => {
  expect(parseHeader(rawHeader, endpoint)).toMatchObject({ number: 16, timestamp: 101 });
  expect(() => parseHeader({ ...rawHeader, [field]: value }, endpoint)).toThrow(RpcInconsistency);
});

test.each([
  [1_700_000_000_000n, 'milliseconds'],
  [1_700_000_000_000_000n, 'microseconds'],
  [1_700_000_000_000_000_000n, 'nanoseconds'],
  [253_402_300_800n, 'milliseconds'],
  [2n ** 100n, 'something else'],
])('a header whose timestamp is %s is refused: it counts %s', (timestamp, unit) => {
  const raw = { ...rawHeader, timestamp: `0x${timestamp.toString(16)}` };
  const message = `RPC_URL_7: gives block 16 the timestamp ${timestamp}, which counts ${unit}; use an endpoint that counts seconds`;
  expect(() => parseHeader(raw, endpoint)).toThrow(expect.objectContaining({ name: 'ConfigError', message }));
});

test('a timestamp up to the year 9999 is accepted', () => {
  expect(parseHeader({ ...rawHeader, timestamp: '0x3afff4417f' }, endpoint).timestamp).toBe(253_402_300_799);
});

test('a header without a bloom is accepted', () => {
  expect(parseHeader({ ...rawHeader, logsBloom: null }, endpoint).logsBloom).toBe('0x');
});

test('headers must link by parent hash and number', () => {
  const header = (number: number, own: string, parent: string): BlockHeader => ({
    number,
    hash: hash(own),
    parentHash: hash(parent),
    timestamp: 0,
    logsBloom: '0x',
  });
  const headers = [header(5, '5', '4'), header(6, '6', '5')];
  expect(() => verifyLinks(headers, { number: 4, hash: hash('4') })).not.toThrow();
  expect(() => verifyLinks(headers, undefined)).not.toThrow();
  expect(() => verifyLinks(headers, { number: 4, hash: hash('a') })).toThrow(AnchorMismatch);
  expect(() => verifyLinks([header(5, '5', '4'), header(7, '7', '5')], undefined)).toThrow(RpcInconsistency);
  expect(() => verifyLinks([header(5, '5', '4'), header(6, '6', 'a')], undefined)).toThrow(RpcInconsistency);
});

test('a bloom names the watched addresses that it holds, unless it is too full to be evidence', () => {
  const blooms = createBlooms();
  const watched = indexFilter(WATCH);
  const bloom = bloomOf([{ address: ADDRESS, topics: [TOPIC] }]);
  expect(blooms.suspects(bloom, watched, [], false)).toEqual([ADDRESS]);
  expect(blooms.suspects(bloomOf([{ address: ADDRESS, topics: [hash('9')] }]), watched, [], false)).toEqual([]);
  expect(blooms.suspects(bloomOf([{ address: OTHER_ADDRESS, topics: [TOPIC] }]), watched, [], false)).toEqual([]);
  expect(blooms.suspects(`0x${'0'.repeat(512)}`, watched, [], false)).toEqual([]);
  expect(blooms.suspects(`0x${'f'.repeat(512)}`, watched, [], false)).toEqual([]);
  const busy = Array.from({ length: 400 }, (_, index): Hex => `0x${index.toString(16).padStart(40, '0')}`);
  const full = bloomOf([{ address: ADDRESS, topics: [TOPIC] }, ...busy.map((address) => ({ address, topics: [] }))]);
  expect(blooms.suspects(full, watched, [], false)).toEqual([]);
});

test('the range size is halved or lowered to a smaller hint, and grows after a minute or after enough accepted ranges', () => {
  let now = 0;
  const rangeSize = createRangeSize(1_000, () => now);
  rangeSize.accepted(1_000);
  expect(rangeSize.blocks()).toBe(2_000);
  rangeSize.accepted(500);
  expect(rangeSize.blocks()).toBe(2_000);
  rangeSize.rejected(2_000, 2_000);
  expect(rangeSize.blocks()).toBe(1_000);
  rangeSize.rejected(1_000, 300);
  expect(rangeSize.blocks()).toBe(300);
  for (let time = 0; time < 100; time++) rangeSize.accepted(300);
  expect(rangeSize.blocks()).toBe(300);
  now += 60_000;
  rangeSize.accepted(300);
  expect(rangeSize.blocks()).toBe(600);
  rangeSize.rejected(600, undefined);
  for (let time = 0; time < 8; time++) rangeSize.accepted(300);
  expect(rangeSize.blocks()).toBe(600);
  for (let time = 0; time < 40; time++) rangeSize.rejected(rangeSize.blocks(), undefined);
  expect(rangeSize.blocks()).toBe(1);
});

test('backoff doubles up to its maximum, with up to half of it taken off as jitter', () => {
  const limits = { baseMs: 100, maxMs: 1_000 };
  expect([1, 2, 3, 4, 5, 99].map((failures) => backoffMs(failures, limits, () => 0))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
  expect(backoffMs(1, limits, () => 0.999)).toBeCloseTo(50, 0);
});

test('mapLimit bounds concurrency, keeps order, and aborts the rest at the first failure', async () => {
  let running = 0;
  let most = 0;
  const pause = async (ms: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, ms));
    running--;
    return ms;
  };
  expect(await mapLimit([5, 1, 3, 2, 4], 2, undefined, pause)).toEqual([5, 1, 3, 2, 4]);
  expect(most).toBe(2);
  const started: number[] = [];
  const mapping = mapLimit([1, 2, 3, 4], 2, undefined, async (item, signal) => {
    started.push(item);
    if (item === 1) throw new Error('one');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    return item;
  });
  await expect(mapping).rejects.toThrow('one');
  expect(started).toEqual([1, 2]);
});

test('a limiter narrows and widens, and an aborted caller leaves its queue', async () => {
  const limiter = createLimiter(2);
  const gate = Promise.withResolvers<void>();
  const first = limiter.run(() => gate.promise, undefined);
  limiter.narrow();
  const stop = new AbortController();
  const second = limiter.run(async () => undefined, stop.signal);
  stop.abort();
  await expect(second).rejects.toMatchObject({ name: 'Aborted' });
  limiter.widen();
  await limiter.run(async () => undefined, undefined);
  gate.resolve();
  await first;
});
