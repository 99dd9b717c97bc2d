import { type RawBuilder, sql } from 'kysely';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { type FactRange, type Fold, isAt, NO_POSITION, positionOf, within } from '../shared/fold.ts';

/**
 * What every wallet holds of every artist token, when it first got some, and how many wallets hold any.
 *
 * A sum and a minimum commute, so ranges may be applied in any order (invariant 4). A wallet that was first named inside
 * the unwound range has no other fact, so its row goes; from the rest the same sum is taken back (invariant 5). Whether a
 * wallet became or ceased to be a holder is told by its balance after the merge less the change, which is the one before.
 */
export const tokenBalances: Fold = {
  name: 'token-balances',
  reads: { list: 'tokenTransfers' },
  apply: (range) => [{ statement: merge(range) }],
  unwind: (range) => [{ statement: restore(range) }],
};

function merge(range: FactRange): RawBuilder<unknown> {
  return sql`
      with change as materialized (${changes(range)}),
      merged as (
        insert into token_holders as held (
          id, artist_token_id, chain_id, wallet_address, balance, first_position,
          first_acquired_position, first_acquired_at, first_acquired_tx_hash)
        select
          indexer.derived_id('token_holders:' || ${String(range.chainId)} || ':' || token.contract_address || ':' || change.wallet),
          change.artist_token_id, ${String(range.chainId)}, change.wallet, change.delta, change.first_position,
          acquired.position, acquired.block_timestamp, acquired.tx_hash
        from change join artist_tokens token on token.id = change.artist_token_id
        left join lateral (
          select position, block_timestamp, tx_hash from token_transfers
          where ${isAt(range, sql`change.first_acquired_position`)} limit 1
        ) acquired on true
        order by change.artist_token_id, change.wallet -- the order in which every writer locks
        on conflict (artist_token_id, wallet_address) do update set
          balance = held.balance + excluded.balance,
          first_position = least(held.first_position, excluded.first_position),
          first_acquired_at = case when ${earlier} then excluded.first_acquired_at else held.first_acquired_at end,
          first_acquired_tx_hash = case when ${earlier} then excluded.first_acquired_tx_hash else held.first_acquired_tx_hash end,
          first_acquired_position = least(held.first_acquired_position, excluded.first_acquired_position)
        returning artist_token_id, wallet_address, balance
      ),
      counted as (
        -- A full join hashes or merges, however few rows the planner expects: a nested loop here is quadratic.
        select merged.artist_token_id, sum((balance > 0)::int - (balance - delta > 0)::int) as holders
        from merged full join change on merged.artist_token_id = change.artist_token_id and merged.wallet_address = change.wallet
        group by merged.artist_token_id
      )
      ${addHolders(range, sql`+`)}
  `;
}

function restore(range: FactRange): RawBuilder<unknown> {
  const cut = positionOf(range.from);
  return sql`
      with change as materialized (${changes(range)}),
      gone as (
        delete from token_holders held using change
        where held.artist_token_id = change.artist_token_id and held.wallet_address = change.wallet
          and held.first_position >= ${cut}
        returning held.artist_token_id, held.balance, 0::numeric as rest
      ),
      kept as (
        update token_holders held set
          balance = held.balance - change.delta,
          first_acquired_at = case when held.first_acquired_position < ${cut} then held.first_acquired_at end,
          first_acquired_tx_hash = case when held.first_acquired_position < ${cut} then held.first_acquired_tx_hash end,
          first_acquired_position = case when held.first_acquired_position < ${cut} then held.first_acquired_position end
        from change
        where held.artist_token_id = change.artist_token_id and held.wallet_address = change.wallet
          and held.first_position < ${cut}
        returning held.artist_token_id, held.balance + change.delta as balance, held.balance as rest
      ),
      counted as (
        select artist_token_id, sum((balance > 0)::int - (rest > 0)::int) as holders
        from (select * from gone union all select * from kept) held group by artist_token_id
      )
      ${addHolders(range, sql`-`)}
  `;
}

/** Whether the batch brings an earlier acquisition than the row knows. */
const earlier = sql`excluded.first_acquired_position < coalesce(held.first_acquired_position, ${NO_POSITION})`;

/** One row per token and wallet that the range's facts name. */
function changes(range: FactRange): RawBuilder<unknown> {
  return sql`
    select artist_token_id, wallet, sum(amount) as delta, min(position) as first_position,
      min(position) filter (where amount > 0) as first_acquired_position
    from (
      select artist_token_id, to_wallet as wallet, value as amount, position
      from token_transfers where ${within(range, 'artist_token')}
      union all
      select artist_token_id, from_wallet, -value, position from token_transfers where ${within(range, 'artist_token')}
    ) movement
    where wallet <> ${ZERO_ADDRESS}
    group by artist_token_id, wallet
  `;
}

function addHolders(range: FactRange, sign: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    , locked as (
      select id, counted.holders from artist_tokens join counted on counted.artist_token_id = id
      order by id for no key update of artist_tokens
    )
    update artist_tokens token set
      holders_count = coalesce(token.holders_count, 0) ${sign} locked.holders,
      last_indexed_block = greatest(last_indexed_block, ${range.to}), last_indexed_at = now()
    from locked where token.id = locked.id
  `;
}
