import { type RawBuilder, sql } from 'kysely';
import type { ExpectedRows, RegisteredRow } from '../../facts/fact-table.ts';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { SNAPSHOT_VERSIONS } from './claim-rule.ts';
import { dividendClaims } from './dividend-claims.ts';
import { dividendEvents } from './dividend-events.ts';

/**
 * Returns a subquery for the first position (block × 2³² + log index) that the stage `dividends` has not processed yet. Its value is null
 * before the stage first runs.
 */
const uncounted = ({ chainId }: RegisteredRow) => sql`
  (select (block + 1) * 4294967296 from indexer.dividend_progress where chain_id = ${chainId})`;

/**
 * Returns common table expressions about the wallets that a dividend contract pays. `claim` has the claims from the contract. `hold` has a
 * row for each currency and each period in which a wallet owned a token, with the dividends that the token earned in the period
 * (`earned`) and the dividends that were unclaimed on the token when the period began (`found`).
 */
function holdings(contract: RegisteredRow): RawBuilder<unknown> {
  const below = sql`position < ${uncounted(contract)}`;
  return sql`
    serves as materialized (
      select master.chain_id, master.contract_address
      from indexer.dividend_masters link join master_contracts master on master.id = link.master_contract_id
      where link.dividend_contract_id = ${contract.platformId} and link.serves and master.chain_id = ${String(contract.chainId)}
    ),
    distribution as materialized (
      select currency, position, per_token_amount as amount from dividend_events
      where ${isFactOf(dividendEvents, contract)} and event_type = 'distribution' and ${below}
    ),
    claim as materialized (
      select currency, position, wallet_address as wallet, master_nft_id as token, amount_claimed as amount, block_timestamp, tx_hash
      from dividend_claims where ${isFactOf(dividendClaims, contract)} and ${below}
    ),
    currency as materialized (select currency from distribution union select currency from claim),
    owned as (
      select master_nft_id as token, position, to_wallet as wallet,
        lead(position) over (partition by master_nft_id order by position) as until
      from nft_transfers fact join serves using (chain_id, contract_address) where block_hash is not null and ${below}
    ),
    -- what all distributions before a position gave to one token
    given as (
      select currency, token, position, until, wallet, amount, sum(amount) over (partition by currency order by position) as total
      from (
        select currency, position, amount, null::uuid as token, null::bigint as until, null as wallet from distribution
        union all
        select currency, position, 0, token, until, wallet from currency cross join owned
      ) entry
    ),
    last as (select currency, max(total) as total from given group by currency),
    timed as (
      select given.currency, token, position, until, wallet,
        case when wallet = ${ZERO_ADDRESS} then 0
          else coalesce(lead(given.total) over (partition by given.currency, token order by position), last.total) - given.total end as earned
      from given join last using (currency) where token is not null
    ),
    -- A claim takes from its token.
    account as (
      select currency, token, position, until, wallet, earned,
        sum(change) over (partition by currency, token order by position) - change as found
      from (
        select currency, token, position, until, wallet, earned, earned as change from timed
        union all
        select currency, token, position, null, null, null, -amount from claim where token is not null
      ) entry
    ),
    hold as materialized (
      select currency, token, position, until, wallet, earned, found from account where wallet <> ${ZERO_ADDRESS}
    )`;
}

/** A query for each wallet and currency that has a row in `wallet_dividend_balances`, because an event changed an amount of the wallet. */
const wallets = sql`
  select wallet, currency from hold where earned > 0 or (found <> 0 and not by_snapshot)
  union
  select wallet, currency from claim where wallet <> ${ZERO_ADDRESS}
  union
  select hold.wallet, claim.currency from claim join hold on hold.token = claim.token and hold.currency = claim.currency
    and hold.position < claim.position and coalesce(hold.until > claim.position, true)
  where claim.amount <> 0 and not by_snapshot`;

/**
 * The rows of `wallet_dividend_balances` that must be stored according to the facts of a dividend contract and of the masters that it
 * serves (whose token owners it pays, docs/dividends.md).
 */
export const expectedBalances: ExpectedRows = {
  keyColumns: 4,
  rows: (contract) => sql`
    with ${holdings(contract)},
    rule as materialized (
      select coalesce(upgrades -> -1 ->> 'abiVersion', abi_version) = any(${SNAPSHOT_VERSIONS}::text[]) as by_snapshot
      from indexer.contracts where kind = 'dividend' and platform_id = ${contract.platformId}
    ),
    known as (select distinct known.wallet, known.currency from rule cross join lateral (${wallets}) known),
    paid as (
      select wallet, currency, sum(amount) as amount, max(position) as position from claim group by wallet, currency
    ),
    taken as (select token, currency, sum(amount) as amount from claim where token is not null group by token, currency),
    left_on as (
      select token, currency, sum(earned) as amount from hold group by token, currency
    ),
    claimable as (
      select hold.wallet, hold.currency, sum(left_on.amount - coalesce(taken.amount, 0)) as amount
      from hold join left_on using (token, currency) left join taken using (token, currency)
      where hold.until is null group by hold.wallet, hold.currency
    ),
    earned as (select wallet, currency, sum(earned) as amount from hold group by wallet, currency),
    counted as (select wallet, count(*) as tokens from owned where until is null group by wallet)
    select ${String(contract.chainId)}, ${contract.address}, known.wallet, known.currency, amounts.earned,
      coalesce(paid.amount, 0), amounts.earned - coalesce(paid.amount, 0), coalesce(counted.tokens, 0), latest.block_timestamp, latest.tx_hash
    from rule cross join known
    left join paid using (wallet, currency) left join claimable using (wallet, currency) left join earned using (wallet, currency)
    left join counted using (wallet)
    cross join lateral (
      select case when by_snapshot then coalesce(earned.amount, 0)
        else coalesce(claimable.amount, 0) + coalesce(paid.amount, 0) end as earned
    ) amounts
    left join claim latest on latest.wallet = known.wallet and latest.currency = known.currency and latest.position = paid.position`,
};
