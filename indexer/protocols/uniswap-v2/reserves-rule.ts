import { type RawBuilder, sql } from 'kysely';
import { isInRange, positionOf } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { poolEvents } from '../shared/pool-events.ts';
import { firstContradictions, type SweepRule, type SweepWindow, sweptContracts } from '../shared/sweep-rule.ts';

/**
 * The rule that the events of a pair explain every change of its reserves (Uniswap V2 core, `UniswapV2Pair.sol`).
 *
 * The functions `mint`, `burn`, `swap` and `sync` of a pair exclude each other by a lock. Near its end, each of them calls `_update`, which
 * emits `Sync`. All except `sync` then emit their own event. So the events of one call are adjacent among the pair's events in a
 * transaction, in the following order, if transfers of liquidity between wallets are ignored:
 *
 * - `mint`: transfers from the zero address (the protocol's fee, the minimum liquidity, the liquidity), `Sync`, `Mint`
 * - `burn`: perhaps a transfer of the protocol's fee from the zero address, a transfer from the pair to the zero address, `Sync`, `Burn`
 * - `swap`: `Sync`, `Swap`
 * - `sync`: `Sync`
 *
 * `mint` and `swap` compute their amounts from the balances, so the reserves change by exactly these amounts. `burn` pays out its amounts,
 * but tokens that were donated before the call are added to the reserves. `sync` sets the reserves to the pair's balances, which only grow
 * unless a token itself takes some from the pair. If one reserve grows while the other shrinks, the event of a swap is missing.
 */
export const reservesRule: SweepRule = {
  name: 'reserves',
  reads: [poolEvents, contractEvents],
  mayBeOlder: false,
  ask: (window) => sql`
    with swept as materialized (${sweptContracts(window)}),
    fact as materialized (${pairFacts(window)}),
    placed as materialized (
      select fact.*,
        case when lag(tx_hash) over pair = tx_hash then lag(event) over pair end as before,
        case when lag(tx_hash, 2) over pair = tx_hash then lag(event, 2) over pair end as before_that,
        case when lead(tx_hash) over pair = tx_hash then lead(event) over pair end as after,
        case when lead(tx_hash) over pair = tx_hash then lead(amount0) over pair end as amount0_after,
        case when lead(tx_hash) over pair = tx_hash then lead(amount1) over pair end as amount1_after
      from fact window pair as (partition by id order by position)
    ),
    sync as materialized (
      select placed.*, lag(amount0) over pair as held0, lag(amount1) over pair as held1, lag(position) over pair as since
      from placed where event = 'Sync' window pair as (partition by id order by position)
    ),
    jump as materialized (
      select sync.id, sync.position, before, after, amount0_after, amount1_after,
        amount0 - coalesce(held0, (held.arguments ->> 'reserve0')::numeric, 0) as moved0,
        amount1 - coalesce(held1, (held.arguments ->> 'reserve1')::numeric, 0) as moved1,
        coalesce(sync.since, held.position) as since
      from sync left join lateral (
        select arguments, position from indexer.contract_events latest
        where sync.since is null and latest.chain_id = ${window.chainId}::bigint and latest.address = sync.address and latest.kind = 'pool'
          and latest.event = 'Sync' and latest.position < ${positionOf(window.from)}
        order by position desc limit 1
      ) held on true
    ),
    found as (
      select id, position as since, position, detail from placed cross join lateral (select ${missingLog} as detail) asked
      where detail is not null
      union all
      select id, since, position,
        'the reserves move by ' || moved0 || ' and ' || moved1 || ', which ' || ${jumpName} || ' does not explain'
      from jump where not ${isExplained}
    )
    ${firstContradictions()}
  `,
};

/** Returns a query for the pairs' events except transfers between wallets, with the `id` of the pair's sweep and the pair's `address`. */
function pairFacts(window: SweepWindow): RawBuilder<unknown> {
  const events = isInRange(contractEvents, window, 'pool', ['Sync', 'Transfer']);
  return sql`
    select id, swept.address, position, tx_hash, amount0, amount1,
      case event_type when 'swap' then 'Swap' when 'add_liquidity' then 'Mint' else 'Burn' end as event
    from (
      select pool_address, position, tx_hash, amount0, amount1, event_type from pool_events
      where ${isInRange(poolEvents, window, 'pool')}
    ) fact join swept on swept.address = fact.pool_address
    union all
    select id, swept.address, position, tx_hash, (arguments ->> 'reserve0')::numeric, (arguments ->> 'reserve1')::numeric,
      case when event = 'Sync' then event when arguments ->> 'from' = ${ZERO_ADDRESS} then 'mint of liquidity'
        else 'burn of liquidity' end
    from (select address, position, tx_hash, arguments, event from indexer.contract_events where ${events}) fact
    join swept on swept.address = fact.address
    where event = 'Sync' or arguments ->> 'from' = ${ZERO_ADDRESS}
      or arguments ->> 'from' = swept.address and arguments ->> 'to' = ${ZERO_ADDRESS}
  `;
}

/** An SQL expression over a row of `placed`: which log is missing before or after the event in its transaction. Null if none is missing. */
const missingLog = sql`case
  when event in ('Swap', 'Mint', 'Burn') and before is distinct from 'Sync' then event || ' without a Sync before it'
  when event = 'Mint' and before_that is distinct from 'mint of liquidity' then 'Mint without a mint of liquidity before it'
  when event = 'Burn' and before_that is distinct from 'burn of liquidity' then 'Burn without a burn of liquidity before it'
  when event = 'mint of liquidity' and (after in ('mint of liquidity', 'burn of liquidity', 'Sync')) is not true
    then 'mint of liquidity without a Sync after it'
  when event = 'burn of liquidity' and after is distinct from 'Sync' then 'burn of liquidity without a Sync after it'
  when event = 'Sync' and before = 'mint of liquidity' and after is distinct from 'Mint' then 'mint of liquidity without a Mint after it'
  when event = 'Sync' and before = 'burn of liquidity' and after is distinct from 'Burn' then 'burn of liquidity without a Burn after it'
end`;

/** An SQL expression over a row of `jump`: whether the event after the `Sync` explains the changes of the reserves. */
const isExplained = sql`case
  when after in ('Swap', 'Mint') then moved0 = amount0_after and moved1 = amount1_after
  when after = 'Burn' then moved0 >= -amount0_after and moved1 >= -amount1_after
  else sign(moved0) * sign(moved1) >= 0
end`;

const jumpName = sql`case when after in ('Swap', 'Mint', 'Burn') then 'the ' || after else 'a call of sync()' end`;
