import { type RawBuilder, sql } from 'kysely';
import { toFunctionSelector } from 'viem/utils';
import { type Hex, ZERO_ADDRESS } from '../../kernel/chain.ts';
import { addressOf, wordsOf } from './answers.ts';
import type { ContractAt, Expectation, Question } from './verification.ts';

const WORD_DIGITS = 64;

/**
 * Returns a function that builds calls of the view function `signature`. The only argument of a call is the key: a number or an address.
 * If the key is empty, the call has no argument.
 */
export function callOf(signature: string): Question['call'] {
  const selector = toFunctionSelector(signature);
  return (to, key) => ({ to, data: dataOf(selector, key) });
}

/** Returns the data of a call whose only argument is a number or an address. If the key is empty, the call has no argument. */
export function dataOf(selector: Hex, key: string): Hex {
  return key === '' ? selector : `${selector}${BigInt(key).toString(16).padStart(WORD_DIGITS, '0')}`;
}

/** Returns a question for `indexer verify` about a view function whose answer is one number. */
export function numberQuestion(
  name: string,
  expected: (contract: ContractAt) => RawBuilder<Expectation>,
  options: Pick<Question, 'isOptional' | 'readsOthers'> = {},
): Question {
  return { name, expected, call: callOf(name), read: (answer) => wordsOf(answer, 1)?.[0]?.toString(), ...options };
}

/** Returns the question of which wallet owns a token. For a burnt token, the call reverts or answers the zero address. */
export function ownerQuestion(expected: (contract: ContractAt) => RawBuilder<Expectation>): Question {
  const name = 'ownerOf(uint256)';
  return { name, expected, call: callOf(name), read: addressOf, reverted: ZERO_ADDRESS };
}

/**
 * Returns the question of which balance a wallet has. The expected balances are sums of transfers.
 *
 * @param movements returns a query for transfers, with the columns `sender`, `receiver` and `value`
 */
export function balanceQuestion(movements: (contract: ContractAt) => RawBuilder<unknown>): Question {
  return numberQuestion(
    'balanceOf(address)',
    (contract) => sql`
      select wallet as key, sum(amount)::text as value
      from (select receiver as wallet, value as amount from (${movements(contract)}) transfer
        union all
        select sender, -value from (${movements(contract)}) transfer) moved
      where wallet <> ${ZERO_ADDRESS}
      group by wallet`,
  );
}
