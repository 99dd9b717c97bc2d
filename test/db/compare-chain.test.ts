import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { numberQuestion } from '../../indexer/protocols/shared/questions.ts';
import { comparePage, type PageStart } from '../../indexer/verify/compare-chain.ts';
import { ViewReader } from '../../indexer/verify/multicall.ts';
import { addressOf, contractOf, hexOf } from '../kit/event-logs.ts';
import { withOpenDatabase } from '../kit/with-database.ts';

const KEYS = 1_000;
const WRONG = [1n, 500n, 999n];
const SIGNAL = new AbortController().signal;

/** Every key is its own value. */
const question = numberQuestion(
  'balanceOf(address)',
  () => sql`select n::text as key, n::text as value from generate_series(1, ${KEYS}) as n`,
);

test.each([1_000, 999, 300, 7])('in pages of %i, every key is compared once', async (limit) => {
  await withOpenDatabase(async (database) => {
    const asked: bigint[] = [];
    const reader = new ViewReader({
      codeAt: async () => false,
      calls: async ({ calls }) =>
        calls.map(({ data }) => {
          const key = BigInt(`0x${data.slice(10)}`);
          asked.push(key);
          return hexOf(WRONG.includes(key) ? 0 : key, 64);
        }),
    });
    const contract = { ...contractOf('artist_token', 1), address: addressOf(1) } as never;
    const found: string[] = [];
    let compared = 0;
    let after: PageStart;
    do {
      const page = { contract, question, block: 5, after, limit };
      const outcome = await comparePage({ database, reader, seed: 3 }, page, SIGNAL);
      expect(outcome.compared).toBeLessThanOrEqual(limit);
      found.push(...outcome.differences.map(({ key, stored, expected }) => `${key}: ${stored} ${expected}`));
      compared += outcome.compared;
      after = outcome.next;
    } while (after !== undefined);
    expect(compared).toBe(KEYS);
    expect(new Set(asked).size).toBe(KEYS);
    expect(found.sort()).toEqual(['1: 1 0', '500: 500 0', '999: 999 0']);
  });
});
