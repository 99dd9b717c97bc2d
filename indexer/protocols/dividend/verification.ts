import { type RawBuilder, sql } from 'kysely';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { numberQuestion } from '../shared/questions.ts';
import type { ContractAt, Question, Verification } from '../shared/verification.ts';
import { dividendClaims } from './dividend-claims.ts';
import { dividendEvents } from './dividend-events.ts';

/** The condition that an amount is in the native coin, because the view functions have no currency argument and report only that coin. */
const isNative = sql`currency = ${ZERO_ADDRESS}`;

function total(name: string, type: 'deposit' | 'claim'): Question {
  return numberQuestion(
    name,
    (contract) => sql`
      select '' as key, coalesce(sum(total_amount), 0)::text as value from dividend_events
      where ${isFactOf(dividendEvents, contract, contract.block)} and event_type = ${sql.lit(type)} and ${isNative}`,
    { isOptional: true },
  );
}

/**
 * Returns a query for the amount in the native coin that was paid for each token, with the columns `token_id` and `amount`. Leaves out
 * claims for an epoch, which name no token.
 */
function paid(contract: ContractAt): RawBuilder<unknown> {
  return sql`
    select token_id, sum(amount_claimed) as amount from dividend_claims
    where ${isFactOf(dividendClaims, contract, contract.block)} and ${isNative} and token_id is not null group by token_id`;
}

/**
 * Returns a query for the mints and burns of the tokens of the master that a dividend contract serves (whose token owners it pays). In the
 * row of a mint, `minted` is the position of the mint, and `burnt` is the position of the token's next burn, or null if there is none. The
 * query returns no rows if the dividend contract serves several masters.
 */
function tokens({ platformId, block }: ContractAt): RawBuilder<unknown> {
  return sql`
    select token_id, position as minted, lead(position) over (partition by token_id order by position) as burnt, to_wallet
    from nft_transfers fact
    join master_contracts master on master.chain_id = fact.chain_id and master.contract_address = fact.contract_address
    join indexer.dividend_masters link on link.master_contract_id = master.id and link.serves
    where link.dividend_contract_id = ${platformId} and fact.block_hash is not null and fact.block_number <= ${block}
      -- The function does not say of which master a token is.
      and not exists (
        select from indexer.dividend_masters other
        where other.dividend_contract_id = ${platformId} and other.serves and other.master_contract_id <> master.id)
      and ${ZERO_ADDRESS} in (from_wallet, to_wallet)`;
}

const claimable = numberQuestion(
  'claimableAmount(uint256)',
  // A token earned the sum of all distributions before its burn minus the sum of all distributions before its mint.
  (contract) => sql`
    with distributed as materialized (
      select position, sum(per_token_amount) over (order by position) as amount from dividend_events
      where ${isFactOf(dividendEvents, contract, contract.block)} and event_type = 'distribution' and ${isNative}
    ),
    token as (select * from (${tokens(contract)}) moved where to_wallet <> ${ZERO_ADDRESS}),
    earned as (
      select token_id, sum(coalesce(until.amount, 0) - coalesce(since.amount, 0)) as amount from token
      left join lateral (
        select amount from distributed where position < coalesce(token.burnt, 9223372036854775807) order by position desc limit 1
      ) until on true
      left join lateral (select amount from distributed where position < token.minted order by position desc limit 1) since on true
      group by token_id having bool_or(token.burnt is null)
    )
    select token_id::text as key, (earned.amount - coalesce(paid.amount, 0))::text as value
    from earned left join (${paid(contract)}) paid using (token_id)`,
  { isOptional: true, readsOthers: true },
);

const claimed = numberQuestion(
  'claimedAmount(uint256)',
  (contract) => sql`select token_id::text as key, amount::text as value from (${paid(contract)}) paid`,
  { isOptional: true },
);

const totals = [total('totalRevenueReceived()', 'deposit'), total('totalDividendsPaid()', 'claim')];

/** How `indexer verify` checks a dividend contract with the rule `token` (claim-rule.ts), by which tokens earn dividends. */
export const dividendVerification: Verification = {
  questions: [claimable, claimed, ...totals],
  invariants: [],
  anomalies: ({ platformId }) => sql`
    select kind || ': ' || subject || ', amount ' || amount || ', currency ' || currency as anomaly
    from indexer.dividend_anomalies where dividend_contract_id = ${platformId}`,
};

/** How `indexer verify` checks a dividend contract with the rule `snapshot`. Tokens earn nothing, so no question is about a token. */
export const snapshotDividendVerification: Verification = { ...dividendVerification, questions: totals };
