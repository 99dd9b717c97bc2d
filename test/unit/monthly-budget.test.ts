import { expect, test } from 'vitest';
import { createMeters } from '../../indexer/rpc/meter.ts';
import { MonthlyBudget } from '../../indexer/rpc/monthly-budget.ts';
import { busyChain, sourceFixture } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();
const KEY = 'aSecretKeyOf24Characters';
const URL_WITH_KEY = `https://rpc.example/v2/${KEY}`;
const HEADS = 5;
const NOTHING = { calls: 0, computeUnits: 0 };

const budgetOf = (limits: object) => new MonthlyBudget({ url: URL_WITH_KEY, ...limits }, 0);
const total = (calls: number, computeUnits = 0, month = '2026-01-01') => ({ month, calls, computeUnits });

test('a process warns once at 80 % and once when all is spent in each month, and never of less', () => {
  const budget = budgetOf({ monthlyCalls: 100 });
  const warned = (calls: number, month?: string) => budget.saved(NOTHING, total(calls, 0, month))?.spent;
  expect([79, 80, 81, 99, 100, 150].map((calls) => warned(calls))).toEqual([
    undefined,
    80,
    undefined,
    undefined,
    100,
    undefined,
  ]);
  expect([10, 85, 90].map((calls) => warned(calls, '2026-02-01'))).toEqual([undefined, 85, undefined]);
  // A process that starts when the budget is spent gives only this warning.
  expect(budgetOf({ monthlyCalls: 100 }).saved(NOTHING, total(120))).toEqual({ unit: 'calls', spent: 120, limit: 100 });
});

test('what is spent while it is saved, or cannot be saved, is neither lost nor counted twice', () => {
  const budget = budgetOf({ monthlyCalls: 100 });
  expect(budget.state()).toBeUndefined();
  expect(budget.needsSaving).toBe(true);
  budget.spend(5, 50);
  // The first attempt to save fails, so `saved` is not called for it.
  const saving = budget.unsaved;
  budget.spend(2, 20);
  budget.saved(saving, total(45, 400));
  expect(budget.unsaved).toEqual({ calls: 2, computeUnits: 20 });
  expect(budget.state()).toEqual({ unit: 'calls', spent: 47, limit: 100 });
  budget.saved(budget.unsaved, total(47, 420));
  expect(budget.needsSaving).toBe(false);
});

test('of two limits, the one that is nearer is shown', () => {
  const budget = budgetOf({ monthlyCalls: 100, monthlyComputeUnits: 1_000 });
  budget.saved(NOTHING, total(10, 200));
  expect(budget.state()).toEqual({ unit: 'compute units', spent: 200, limit: 1_000 });
  budget.spend(20, 0);
  expect(budget.state()).toEqual({ unit: 'calls', spent: 30, limit: 100 });
});

test('keys of a provider are told apart by something that does not contain them', () => {
  const accountOf = (url: string, headers = {}) => new MonthlyBudget({ url, headers, monthlyCalls: 1 }, 0).account;
  const account = accountOf(URL_WITH_KEY);
  expect(account).toEqual({ host: 'rpc.example', keyHash: expect.stringMatching(/^[0-9a-f]{4}$/) });
  expect(accountOf(URL_WITH_KEY.replace('https', 'wss'))).toEqual(account);
  expect(accountOf(`${URL_WITH_KEY}2`)).not.toEqual(account);
  const withHeader = (headers: object) => accountOf('https://rpc.example', headers);
  expect(withHeader({ Authorization: 'one', b: '2' })).toEqual(withHeader({ b: '2', authorization: 'one' }));
  expect(withHeader({ authorization: 'one' })).not.toEqual(withHeader({ authorization: 'two' }));
  expect(accountOf('https://3b1c0a6f9d2e4c58a7b6.rpc.example').host).toBe('***.rpc.example');
});

test('each call of a batch costs its price, and every announced head costs something', async () => {
  const chain = busyChain(3);
  const server = await fixture.serve(chain);
  const endpoint = { url: server.wsUrl, monthlyComputeUnits: 1_000_000 };
  const meters = createMeters([endpoint], () => performance.now());
  const budget = meters[0]?.budget;
  // The budget counts the price of a call, not its cost against the limit per second.
  meters[0]?.take([{ method: 'eth_getBlockReceipts' }, { method: 'eth_getLogs' }, { method: 'eth_chainId' }]);
  expect(budget?.unsaved).toEqual({ calls: 3, computeUnits: 80 });

  const source = fixture.open([endpoint], {}, { meters });
  const stop = new AbortController();
  const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
  await heads.next();
  await until('the subscription', () => server.subscriptions > 0);
  const sent = () => server.arrivals.length;
  await until('all requests to be counted', () => budget?.unsaved.calls === 3 + sent());
  // There are more heads than requests that may be counted already but have not arrived yet.
  for (let head = 0; head < HEADS; head++) {
    chain.append({});
    await heads.next();
  }
  await until('the announced heads to be counted', () => budget?.unsaved.calls === 3 + sent() + HEADS);
  const prices: Record<string, number> = { eth_chainId: 0, eth_subscribe: 10 };
  const requests = [...server.counts].reduce((sum, [method, calls]) => sum + calls * (prices[method] ?? 20), 80);
  const ofHead = ((budget?.unsaved.computeUnits ?? 0) - requests) / HEADS;
  // A header has about 850 bytes.
  expect(ofHead).toBeGreaterThan(20);
  expect(ofHead).toBeLessThan(60);
  stop.abort();
});
