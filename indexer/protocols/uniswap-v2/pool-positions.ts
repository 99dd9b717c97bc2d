import { type RawBuilder, sql } from 'kysely';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { eventsWithin, type FactRange, type Fold, NO_POSITION, positionOf } from '../shared/fold.ts';

/**
 * What every wallet holds of a Uniswap V2 pair's own token, since when, and how much of it there is.
 *
 * The pair mints its first 1000 from zero to zero (Uniswap V2 core, `MINIMUM_LIQUIDITY`): these raise the supply and belong to
 * nobody.
 */
export const poolPositions: Fold = {
  name: 'pool-positions',
  reads: { list: 'contractEvents', tags: ['Transfer'] },
  apply: (range) => [{ statement: lockPools(range) }, { statement: merge(range) }],
  unwind: (range) => [{ statement: restore(range) }],
};

function merge(range: FactRange): RawBuilder<unknown> {
  return sql`
      with movement as materialized (${movements(range)}),
      change as (${changes()}),
      merged as (
        insert into pool_positions as held (
          id, liquidity_pool_id, chain_id, wallet_address, lp_token_balance, first_position,
          entry_position, entered_at, entry_tx_hash)
        select
          indexer.derived_id('pool_positions:' || ${String(range.chainId)} || ':' || change.address || ':' || change.wallet),
          change.pool_id, ${String(range.chainId)}, change.wallet, change.delta, change.first_position,
          entry.position, entry.block_timestamp, entry.tx_hash
        from change
        left join lateral (
          select position, block_timestamp, tx_hash from indexer.contract_events
          where chain_id = ${range.chainId}::bigint and block_number = change.entry_position >> 32
            and log_index = change.entry_position & 4294967295 and kind = 'pool' limit 1
        ) entry on true
        order by change.pool_id, change.wallet -- the order in which every writer locks
        on conflict (liquidity_pool_id, wallet_address, tick_lower, tick_upper) do update set
          lp_token_balance = held.lp_token_balance + excluded.lp_token_balance,
          first_position = least(held.first_position, excluded.first_position),
          entered_at = case when ${earlier} then excluded.entered_at else held.entered_at end,
          entry_tx_hash = case when ${earlier} then excluded.entry_tx_hash else held.entry_tx_hash end,
          entry_position = least(held.entry_position, excluded.entry_position)
      )
      ${addSupply(sql`+`)}
  `;
}

function restore(range: FactRange): RawBuilder<unknown> {
  const cut = positionOf(range.from);
  return sql`
      with movement as materialized (${movements(range)}),
      change as (${changes()}),
      gone as (
        delete from pool_positions held using change
        where held.liquidity_pool_id = change.pool_id and held.wallet_address = change.wallet and held.tick_lower is null
          and held.first_position >= ${cut}
      ),
      kept as (
        update pool_positions held set
          lp_token_balance = held.lp_token_balance - change.delta,
          entered_at = case when held.entry_position < ${cut} then held.entered_at end,
          entry_tx_hash = case when held.entry_position < ${cut} then held.entry_tx_hash end,
          entry_position = case when held.entry_position < ${cut} then held.entry_position end
        from change
        where held.liquidity_pool_id = change.pool_id and held.wallet_address = change.wallet and held.tick_lower is null
          and held.first_position < ${cut}
      )
      ${addSupply(sql`-`)}
  `;
}

/**
 * Takes the rows of all pools that the range names, in one order: this fold and `pool-reserves` write to some of them each, and
 * two commits that took them piece by piece would wait for each other.
 */
function lockPools({ chainId, from, to }: FactRange): RawBuilder<unknown> {
  return sql`
    select id from liquidity_pools
    where id in (
      select platform_id from indexer.contracts contract
      where chain_id = ${chainId} and kind = 'pool' and address in (
        select address from indexer.contract_events
        where chain_id = ${chainId}::bigint and block_number between ${from}::bigint and ${to}::bigint and kind = 'pool'))
    order by id for no key update
  `;
}

const earlier = sql`excluded.entry_position < coalesce(held.entry_position, ${NO_POSITION})`;

/** The range's LP transfers with their pool. */
function movements(range: FactRange): RawBuilder<unknown> {
  return sql`
    select contract.platform_id as pool_id, fact.address, fact.arguments ->> 'from' as sender, fact.arguments ->> 'to' as receiver,
      (fact.arguments ->> 'value')::numeric as value, fact.position, fact.block_timestamp, fact.tx_hash
    from (select * from indexer.contract_events where ${eventsWithin(range, 'pool', 'Transfer')}) fact
    join indexer.contracts contract using (chain_id, address, kind)
  `;
}

/** One row per pool and wallet that the movements name. */
function changes(): RawBuilder<unknown> {
  return sql`
    select pool_id, address, wallet, sum(amount) as delta, min(position) as first_position,
      min(position) filter (where amount > 0) as entry_position
    from (
      select pool_id, address, receiver as wallet, value as amount, position from movement
      union all
      select pool_id, address, sender, -value, position from movement
    ) signed
    where wallet <> ${ZERO_ADDRESS}
    group by pool_id, address, wallet
  `;
}

function addSupply(sign: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    , supply as (
      select pool_id, sum(case when sender = ${ZERO_ADDRESS} then value else -value end) as amount
      from movement where sender = ${ZERO_ADDRESS} or receiver = ${ZERO_ADDRESS} group by pool_id
    ),
    locked as (
      select id, supply.amount from liquidity_pools join supply on supply.pool_id = id
      order by id for no key update of liquidity_pools
    )
    update liquidity_pools pool set lp_total_supply = pool.lp_total_supply ${sign} locked.amount
    from locked where pool.id = locked.id
  `;
}
