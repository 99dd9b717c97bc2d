import { type RawBuilder, sql } from 'kysely';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { SNAPSHOT_VERSIONS } from '../../protocols/dividend/claim-rule.ts';
import { type BlockSpan, endOf, isInSpan, ownerBefore, servedMasters } from '../served-masters.ts';

/** A span of blocks, and queries for the facts that change dividends in the span. The queries may read `serves` (`servedMasters`). */
export type ChangeScope = {
  readonly span: BlockSpan;
  /** A query for `(dividend_contract_id, token)`: the tokens whose owner may change in the span. */
  readonly moved: RawBuilder<unknown>;
  /** A query for the claims that change dividends, with the columns of `claimsIn`. It may use the relation `moved`. */
  readonly claims: RawBuilder<unknown>;
  /** A query for `(dividend_contract_id, wallet_address, tokens)`: the tokens that each wallet owned before the span. Undefined: none. */
  readonly holders?: RawBuilder<unknown>;
};

/**
 * Returns common table expressions that end with `change`: how each wallet's dividends change in a span of blocks. Its columns are
 * `dividend_contract_id`, `wallet_address`, `currency`, `earned`, `claimed`, `is_row` (whether the wallet must have a row in
 * `wallet_dividend_balances` from now on), and `claimed_at` (the position of the latest claim in the span, or null).
 *
 * Let S(p) be the sum of what all distributions before position p (block × 2³² + log index) gave to one token. A wallet that owns n tokens
 * before the span earns n × (S(end) − S(start)). If a token is transferred at p, its new owner also earns S(end) − S(p), and its former
 * owner earns S(end) − S(p) less. So the cost of a distribution does not depend on the number of tokens.
 *
 * By the rule `snapshot` (`claim-rule.ts`) this is the amount that a wallet earns. By the rule `token` the unclaimed dividend moves with
 * the token. At p, an existing token has S(p) − D(p) unclaimed. Its debt D is the sum of S at its mints, minus the sum of S at its burns,
 * plus the amounts of its claims. A wallet that acquires the token at p gains S(end) − D(p). A claim of x takes x from the present owner.
 * The amount that a wallet earned is the amount that it claimed plus the amount that is unclaimed on its tokens.
 *
 * A wallet has a row in `wallet_dividend_balances` from the first event on that changes one of its amounts.
 */
export function balanceChanges({ span, moved, claims, holders }: ChangeScope): RawBuilder<unknown> {
  const [start, end] = [endOf(span.from), endOf(span.to)];
  const { chainId } = span;
  const distributing =
    holders === undefined
      ? sql``
      : sql`union select dividend_contract_id from indexer.distribution_sums
          where chain_id = ${chainId} and position >= ${start} and position < ${end}`;
  return sql`
    serves as materialized (${servedMasters(chainId)}),
    moved as materialized (${moved}),
    claim as materialized (${claims}),
    rule as materialized (${rules(chainId)}),
    total as materialized (
      select dividend_contract_id, currency, max(total) as at_end,
        coalesce(max(total) filter (where position < ${start}), 0) as at_start
      from indexer.distribution_sums
      where position < ${end} and dividend_contract_id in (select dividend_contract_id from moved ${distributing})
      group by dividend_contract_id, currency
    ),
    ${accounts(start, end)},
    ${contributions(holders)},
    summed as (
      select dividend_contract_id, wallet_address, currency, sum(held) as held, sum(unclaimed) as unclaimed, sum(claimed) as claimed,
        bool_or(is_row) as is_row, max(claimed_at) as claimed_at
      from contribution group by dividend_contract_id, wallet_address, currency
    ),
    change as (
      select summed.dividend_contract_id, wallet_address, currency,
        case when by_snapshot then held else unclaimed + claimed end as earned, claimed,
        -- What tokens earn in a span is never negative, so a positive sum means that some distribution reached the wallet.
        held > 0 or claimed_at is not null or (is_row and not by_snapshot) as is_row, claimed_at
      from summed join rule using (dividend_contract_id)
    )
  `;
}

/** Returns a query for the rule of each dividend contract of a chain. The contract's last ABI version in the registry decides the rule. */
function rules(chainId: number): RawBuilder<unknown> {
  return sql`
    select platform_id as dividend_contract_id,
      coalesce(upgrades -> -1 ->> 'abiVersion', abi_version) = any(${SNAPSHOT_VERSIONS}::text[]) as by_snapshot
    from indexer.contracts where chain_id = ${chainId} and kind = 'dividend'
  `;
}

/** Returns common table expressions for all transfers and claims of the moved tokens, with S and D of `balanceChanges` at each of them. */
function accounts(start: RawBuilder<unknown>, end: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    life as materialized (
      select moved.dividend_contract_id, token, position, to_wallet as owner,
        coalesce(lag(to_wallet) over (partition by moved.dividend_contract_id, token order by position), ${ZERO_ADDRESS}) as former
      from moved join nft_transfers fact on fact.master_nft_id = token and position < ${end} and block_hash is not null
    ),
    token_claim as materialized (
      select moved.dividend_contract_id, token, currency, position, amount_claimed as amount
      from moved join dividend_claims paid on paid.master_nft_id = token and paid.dividend_contract_id = moved.dividend_contract_id
        and position < ${end} and block_hash is not null
    ),
    account as (
      select dividend_contract_id, token, currency from (select distinct dividend_contract_id, token from life) token
      join total using (dividend_contract_id)
      union
      select dividend_contract_id, token, currency from token_claim
    ),
    entry as (
      select dividend_contract_id, token, currency, life.position, former, owner, coalesce(before.total, 0) as s,
        case when former = ${ZERO_ADDRESS} and owner <> ${ZERO_ADDRESS} then coalesce(before.total, 0)
          when former <> ${ZERO_ADDRESS} and owner = ${ZERO_ADDRESS} then -coalesce(before.total, 0) else 0 end as debt
      from life join account using (dividend_contract_id, token)
      left join lateral (
        select total from indexer.distribution_sums earlier
        where earlier.dividend_contract_id = life.dividend_contract_id and earlier.currency = account.currency
          and earlier.position < life.position
          -- Other transfers need no S.
          and (life.position >= ${start} or (former = ${ZERO_ADDRESS}) <> (owner = ${ZERO_ADDRESS}))
        order by earlier.position desc limit 1
      ) before on true
      union all
      select dividend_contract_id, token, currency, position, null, null, 0, amount from token_claim
    ),
    step as (
      select dividend_contract_id, token, currency, position, former, owner, s, debt,
        sum(debt) over (partition by dividend_contract_id, token, currency order by position) as debt_after
      from entry
    ),
    move as (
      select step.*, coalesce(total.at_end, 0) as s_end
      from step left join total using (dividend_contract_id, currency)
      where position >= ${start} and former <> owner
    )
  `;
}

/** Returns a common table expression for what each holding, transfer and claim adds to the dividends of a wallet. */
function contributions(holders: RawBuilder<unknown> | undefined): RawBuilder<unknown> {
  const held = sql`
    select dividend_contract_id, wallet_address, currency, tokens * (at_end - at_start), tokens * (at_end - at_start), 0::numeric,
      false, null::bigint
    from total join (${holders}) holder using (dividend_contract_id)
    where at_end > at_start
    union all`;
  return sql`
    contribution (dividend_contract_id, wallet_address, currency, held, unclaimed, claimed, is_row, claimed_at) as (
      ${holders === undefined ? sql`` : held}
      select dividend_contract_id, owner, currency, s_end - s, s_end - debt_after, 0::numeric, s <> debt_after, null::bigint
      from move where owner <> ${ZERO_ADDRESS}
      union all
      select dividend_contract_id, former, currency, s - s_end, debt_after - debt - s_end, 0, false, null
      from move where former <> ${ZERO_ADDRESS}
      union all
      select dividend_contract_id, wallet_address, currency, 0, 0, amount_claimed, true, position
      from claim where wallet_address <> ${ZERO_ADDRESS}
      union all
      select dividend_contract_id, owner, currency, 0, -amount_claimed, 0, amount_claimed <> 0, null
      from claim cross join lateral (${ownerBefore(sql`claim.master_nft_id`, sql`claim.position`)}) before
      where owner <> ${ZERO_ADDRESS}
    )
  `;
}

/** Returns a query for the claims of a span, for `ChangeScope`. */
export function claimsIn(span: BlockSpan): RawBuilder<unknown> {
  return sql`
    select claim.dividend_contract_id, claim.wallet_address, claim.currency, claim.master_nft_id, claim.amount_claimed, claim.position
    from dividend_claims claim where ${isInSpan('claim', span)}
  `;
}

/** Returns a query for the tokens that are transferred in a span, of all masters that dividend contracts serve, for `ChangeScope`. */
export function movedIn(span: BlockSpan): RawBuilder<unknown> {
  return sql`
    select distinct serves.dividend_contract_id, fact.master_nft_id as token
    from nft_transfers fact join serves using (contract_address)
    where ${isInSpan('fact', span)}
  `;
}

/** Returns a query for the number of tokens that each wallet owns according to `indexer.master_holdings`, for `ChangeScope`. */
export function holdingsOf({ chainId }: BlockSpan): RawBuilder<unknown> {
  return sql`
    select serves.dividend_contract_id, held.wallet_address, held.tokens
    from serves join indexer.master_holdings held using (contract_address)
    where held.chain_id = ${chainId} and held.tokens > 0
  `;
}
