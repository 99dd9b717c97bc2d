import { sql } from 'kysely';
import { isFactOf } from '../../facts/facts-sql.ts';
import { type Hex, ZERO_ADDRESS } from '../../kernel/chain.ts';
import { wordsOf } from '../shared/answers.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { balanceQuestion, callOf, dataOf, numberQuestion } from '../shared/questions.ts';
import type { ContractAt, Question, Verification } from '../shared/verification.ts';

/** Returns a query for the transfers of a pair's own token. */
const transfers = (contract: ContractAt) => sql`
  select arguments ->> 'from' as sender, arguments ->> 'to' as receiver, (arguments ->> 'value')::numeric as value
  from indexer.contract_events where ${isFactOf(contractEvents, contract, contract.block)} and event = 'Transfer'`;

/** Returns a query for the arguments of a pair's latest `Sync`, at most one row. */
const latestSync = (contract: ContractAt) => sql`
  select arguments from indexer.contract_events
  where ${isFactOf(contractEvents, contract, contract.block)} and event = 'Sync' order by position desc limit 1`;

const reserves: Question = {
  name: 'getReserves()',
  expected: (contract) => sql`
    select '' as key, coalesce(arguments ->> 'reserve0', '0') || ' ' || coalesce(arguments ->> 'reserve1', '0') as value
    from (select) pair left join (${latestSync(contract)}) sync on true`,
  call: callOf('getReserves()'),
  read: (answer) => wordsOf(answer, 3)?.slice(0, 2).join(' '),
};

const BALANCE_OF = '0x70a08231';

/** A pair's balance of each of its two tokens is at least the reserve. It is larger between a transfer to the pair and the next `Sync`. */
const ownTokens: Question = {
  name: 'balanceOf(pair) of a token of the pair',
  expected: (contract) => sql`
    select token.address as key, coalesce(arguments ->> token.reserve, '0') as value
    from liquidity_pools pool
    cross join lateral (values (token0_address, 'reserve0'), (token1_address, 'reserve1')) as token (address, reserve)
    left join (${latestSync(contract)}) sync on true
    where pool.id = ${contract.platformId} and token.address ~ '^0x[0-9a-f]{40}$' and token.address <> ${ZERO_ADDRESS}`,
  call: (pair, token) => ({ to: token as Hex, data: dataOf(BALANCE_OF, pair) }),
  read: (answer) => wordsOf(answer, 1)?.[0]?.toString(),
  agrees: (reserve, balance) => BigInt(balance) >= BigInt(reserve),
};

/** How `indexer verify` checks a pair. */
export const pairVerification: Verification = {
  questions: [
    reserves,
    ownTokens,
    balanceQuestion(transfers),
    numberQuestion(
      'totalSupply()',
      // The pair mints its minimum liquidity from the zero address to the zero address. Only transfers from the pair itself to the zero
      // address reduce the supply.
      (contract) => sql`
        select '' as key, coalesce(sum(case when sender = ${ZERO_ADDRESS} then value
          when receiver = ${ZERO_ADDRESS} and sender = ${contract.address} then -value else 0 end), 0)::text as value
        from (${transfers(contract)}) transfer`,
    ),
  ],
  invariants: [
    {
      name: 'the supply is the sum of the balances and of what was sent to nobody',
      table: 'liquidity_pools',
      violations: (contract) => sql`
        select '' as key, lp_total_supply::text as stored, (held.balance + locked.value)::text as expected,
          null as from_block, null as to_block
        from liquidity_pools pool, lateral (
          select coalesce(sum(lp_token_balance), 0) as balance from pool_positions
          where liquidity_pool_id = pool.id and tick_lower is null
        ) held, (
          select coalesce(sum((arguments ->> 'value')::numeric), 0) as value from indexer.contract_events
          where ${isFactOf(contractEvents, contract)} and event = 'Transfer'
            and arguments ->> 'to' = ${ZERO_ADDRESS} and arguments ->> 'from' <> ${contract.address}
        ) locked
        where pool.id = ${contract.platformId} and lp_total_supply <> held.balance + locked.value`,
    },
    {
      name: 'no balance is negative',
      table: 'pool_positions',
      violations: ({ platformId }) => sql`
        select wallet_address as key, lp_token_balance::text as stored, '0' as expected, null as from_block, null as to_block
        from pool_positions where liquidity_pool_id = ${platformId} and lp_token_balance < 0`,
    },
  ],
};
