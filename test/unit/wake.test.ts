import { expect, test } from 'vitest';
import { Retry } from '../../indexer/kernel/retry.ts';
import { Wake } from '../../indexer/kernel/wake.ts';

const LONG_MS = 60_000;

test('a wake before a wait ends that wait, and only that one', async () => {
  const news = new Wake();
  news.wake();
  news.wake();
  expect(await news.wait(LONG_MS)).toBe(true);
  expect(await news.wait(1)).toBe(false);
});

test('a wake during a wait ends it', async () => {
  const news = new Wake();
  const waiting = news.wait();
  news.wake();
  expect(await waiting).toBe(true);
  expect(await news.wait(1)).toBe(false);
});

test('a wake ends every wait', async () => {
  const news = new Wake();
  const waiting = [news.wait(LONG_MS), news.wait(), news.wait(LONG_MS)];
  news.wake();
  expect(await Promise.all(waiting)).toEqual([true, true, true]);
});

test('an abort ends only its own wait, and a wait with an aborted signal ends at once', async () => {
  const news = new Wake();
  const stop = new AbortController();
  const stopped = news.wait(LONG_MS, stop.signal);
  const other = news.wait(LONG_MS);
  stop.abort();
  expect(await stopped).toBe(false);
  expect(await news.wait(LONG_MS, stop.signal)).toBe(false);
  news.wake();
  expect(await other).toBe(true);
});

test('an aborted wait leaves an earlier wake for the next wait', async () => {
  const news = new Wake();
  news.wake();
  expect(await news.wait(LONG_MS, AbortSignal.abort())).toBe(false);
  expect(await news.wait(LONG_MS)).toBe(true);
});

test('a retry waits longer after each failure in a row, and starts again after a success', () => {
  const retry = new Retry({ baseMs: 100, maxMs: 1_000 }, () => 0);
  expect([1, 2, 3, 4, 5].map(() => retry.failed())).toEqual([100, 200, 400, 800, 1_000]);
  expect(retry.failures).toBe(5);
  retry.succeeded();
  expect(retry.failures).toBe(0);
  expect(retry.failed()).toBe(100);
});
