import { sql } from 'kysely';
import { eventsWithin, type Fold, positionOf } from './fold.ts';

/** A pair's reserves: those of its latest `Sync` (Uniswap V2 core), which tells them whole. */
export const poolReserves: Fold = {
  name: 'pool-reserves',
  reads: 'contractEvents',

  async apply(tx, range) {
    await sql`
      with latest as (
        select distinct on (address) address, position, arguments
        from indexer.contract_events where ${eventsWithin(range, 'pool', 'Sync')} order by address, position desc
      ),
      locked as (
        select pool.id, latest.position, latest.arguments
        from latest
        join indexer.contracts contract
          on contract.chain_id = ${range.chainId} and contract.address = latest.address and contract.kind = 'pool'
        join liquidity_pools pool on pool.id = contract.platform_id
        order by pool.id for no key update of pool
      )
      update liquidity_pools pool set
        reserve0 = (locked.arguments ->> 'reserve0')::numeric, reserve1 = (locked.arguments ->> 'reserve1')::numeric,
        reserve_position = locked.position, last_indexed_block = greatest(last_indexed_block, ${range.to}), last_indexed_at = now()
      from locked
      where pool.id = locked.id and (pool.reserve_position is null or pool.reserve_position < locked.position)
    `.execute(tx);
  },

  async unwind(tx, range) {
    await sql`
      with touched as (
        select distinct contract.chain_id, contract.address, contract.platform_id
        from (select * from indexer.contract_events where ${eventsWithin(range, 'pool', 'Sync')}) fact
        join indexer.contracts contract using (chain_id, address, kind)
      )
      update liquidity_pools pool set
        reserve0 = coalesce((previous.arguments ->> 'reserve0')::numeric, 0),
        reserve1 = coalesce((previous.arguments ->> 'reserve1')::numeric, 0),
        reserve_position = previous.position
      from touched left join lateral (
        select arguments, position from indexer.contract_events event
        where event.chain_id = touched.chain_id and event.address = touched.address and event.event = 'Sync' and event.kind = 'pool'
          and event.position < ${positionOf(range.from)}
        order by position desc limit 1
      ) previous on true
      where pool.id = touched.platform_id
    `.execute(tx);
  },
};
