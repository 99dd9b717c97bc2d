import { expect, test } from 'vitest';
import { createMeters } from '../../indexer/rpc/meter.ts';
import { createRateWindow } from '../../indexer/rpc/rate-window.ts';
import { seededRandom } from '../kit/random.ts';
import { busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const now = () => performance.now();

test('no second holds more than the limit, however calls arrive, and most of the limit is used', () => {
  const LIMIT = 50;
  const random = seededRandom(7);
  let time = 0;
  const window = createRateWindow(LIMIT, () => time);
  const sent: { readonly at: number; readonly amount: number }[] = [];
  for (let call = 0; call < 2_000; call++) {
    const amount = 1 + random.below(20);
    sent.push({ at: time + window.take(amount), amount });
    // Sometimes there is a long silence, as while the chain has no new block. Otherwise calls arrive in bursts.
    if (random.onceIn(100)) time = Math.max(time, sent.at(-1)?.at ?? 0) + random.below(5_000);
  }
  for (const { at } of sent) {
    const second = sent.filter((one) => one.at > at - 1_000 && one.at <= at);
    expect(second.reduce((sum, { amount }) => sum + amount, 0)).toBeLessThanOrEqual(LIMIT);
  }
  time = (sent.at(-1)?.at ?? 0) + 10_000;
  const begin = time;
  let end = begin;
  for (let call = 0; call < 1_000; call++) end = begin + window.take(1);
  expect(1_000 / ((end - begin) / 1_000)).toBeGreaterThan(0.85 * LIMIT);
});

test('a call that costs more than a second allows is sent, and paid for before the next one', () => {
  let time = 0;
  const window = createRateWindow(100, () => time);
  expect(window.take(500)).toBe(0);
  expect(window.take(20)).toBe(5_500);
  time = 20_000;
  expect(window.take(20)).toBe(0);
});

test('sources that share an endpoint share its limit from the first call on, and its batches are small', async () => {
  const CALLS_PER_SECOND = 20;
  const server = await fixture.serve(busyChain(30));
  const endpoint = { url: server.url, callsPerSecond: CALLS_PER_SECOND };
  const meters = createMeters([endpoint], now);
  const [first, second] = [fixture.open([endpoint], {}, { meters }), fixture.open([endpoint], {}, { meters })];
  const startedAt = now();
  const range = { from: 1, to: 30, strict: true, watch: WATCH };
  await Promise.all([first.fetchRange(range), second.head(), second.head()]);
  const calls = server.arrivals.length;
  expect(calls).toBeGreaterThanOrEqual(64);
  expect(now() - startedAt).toBeGreaterThan((Math.ceil(calls / CALLS_PER_SECOND) - 1) * 1_000);
  expect(Math.max(...server.batches)).toBe(CALLS_PER_SECOND / 2);
  expect(first.endpointStates()[0]).toMatchObject({ callsPerSecond: CALLS_PER_SECOND });
});

test('compute units are counted by the price of each call', async () => {
  const server = await fixture.serve(busyChain(30));
  const source = fixture.open([{ url: server.url, computeUnitsPerSecond: 100 }]);
  const startedAt = now();
  // Five headers use up the limit of one second. `eth_chainId` is free.
  for (let time = 0; time < 11; time++) await source.head();
  expect(now() - startedAt).toBeGreaterThan(2_000);
});
