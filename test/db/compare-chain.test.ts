import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import { numberQuestion } from '../../indexer/protocols/shared/questions.ts';
import { upgradeContract } from '../../indexer/registry/upgrade.ts';
import { comparePage, type PageStart } from '../../indexer/verify/compare-chain.ts';
import { ViewReader } from '../../indexer/verify/multicall.ts';
import { verificationAt } from '../../indexer/verify/verify-contract.ts';
import { addressOf, contractOf, hexOf } from '../kit/event-logs.ts';
import {
  CHAIN_ID,
  claim,
  claimEpoch,
  DIVIDEND,
  distribute,
  MASTER,
  mint,
  START,
  StageScene,
} from '../kit/stage-scene.ts';
import { withOpenDatabase } from '../kit/with-database.ts';

const KEYS = 1_000;
const WRONG = [1n, 500n, 999n];
const SIGNAL = new AbortController().signal;

/** A question whose stored value for each key is the key itself. */
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

test('a dividend contract is not asked about tokens while it pays by the rule `snapshot`, nor about claims of that time', async () => {
  const scene = await StageScene.open({ abiVersion: '3.0' });
  onTestFinished(() => scene.drop());
  const { database } = scene;
  await upgradeContract(database, { chainId: CHAIN_ID, address: DIVIDEND, abiVersion: '1.0', fromBlock: 10 });
  const claims = [claimEpoch({ block: 5, amount: 10n }), claim(1n, { block: 12, amount: 3n })];
  await scene.fill(1, START, [mint(MASTER, 1n, { block: 2 }), distribute(10n, { block: 4 }), ...claims]);
  const { contracts } = await followedContracts(database, CHAIN_ID);
  const [contract] = contracts.filter(({ kind }) => kind === 'dividend');
  if (contract === undefined) throw new TypeError('the dividend contract is not followed');
  const reader = new ViewReader({
    codeAt: async () => false,
    calls: async ({ calls }) => calls.map(() => hexOf(0, 64)),
  });
  const askedAt = async (block: number) => {
    const asked: string[] = [];
    for (const question of verificationAt(contract, block)?.questions ?? []) {
      const page = { contract, question, block, after: undefined, limit: 10 };
      // Every answer is 0. So a key that is not listed was not asked about, or its stored value is 0.
      const { differences } = await comparePage({ database, reader, seed: 3 }, page, SIGNAL);
      asked.push(...differences.map(({ column, key, stored }) => `${column} ${key}: ${stored}`));
    }
    return asked;
  };
  expect(await askedAt(9)).toEqual(['totalDividendsPaid() : 10']);
  expect(await askedAt(15)).toEqual([
    'claimableAmount(uint256) 1: 7',
    'claimedAmount(uint256) 1: 3',
    'totalDividendsPaid() : 13',
  ]);
});
