import { sql } from 'kysely';
import { isInRange } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { balanceFold } from '../shared/balance-fold.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { liquidityPools, poolPositionRows } from '../shared/pool-tables.ts';

/**
 * Derives the balance of each wallet in a Uniswap V2 pair's token, the time when the wallet first received some, and the token's supply.
 *
 * The pair mints the first 1,000 units of its token from the zero address to the zero address (Uniswap V2 core, `MINIMUM_LIQUIDITY`). They
 * count towards the supply and belong to no wallet. Only the pair burns tokens, by a transfer from itself to the zero address. A transfer
 * from a wallet to the zero address does not change the supply.
 */
export const poolPositions = balanceFold({
  name: 'pool-positions',
  reads: { table: contractEvents, tags: ['Transfer'] },
  table: poolPositionRows,
  totals: liquidityPools,
  owner: 'liquidity_pool_id',
  addressColumn: 'pool_address',
  balance: 'lp_token_balance',
  entry: { position: 'entry_position', time: 'entered_at', transaction: 'entry_tx_hash' },
  key: ['liquidity_pool_id', 'wallet_address', 'tick_lower', 'tick_upper'],
  // Rows of `pool_positions` with ticks belong to pools of Uniswap V3.
  only: sql`held.tick_lower is null`,
  movements: (range) => sql`
    select contract.platform_id as owner, fact.arguments ->> 'from' as sender, fact.arguments ->> 'to' as receiver,
      (fact.arguments ->> 'value')::numeric as value, fact.position
    from (select * from indexer.contract_events where ${isInRange(contractEvents, range, 'pool', ['Transfer'])}) fact
    join indexer.contracts contract using (chain_id, address, kind)`,
  addTotals: (_, sign) => sql`
    , supply as (
      select owner, sum(case when sender = ${ZERO_ADDRESS} then value else -value end) as amount
      from movement join liquidity_pools burner on burner.id = owner
      where sender = ${ZERO_ADDRESS} or (receiver = ${ZERO_ADDRESS} and sender = burner.pool_address) group by owner
    ),
    locked as (
      select id, supply.amount from liquidity_pools join supply on supply.owner = id
      order by id for no key update of liquidity_pools
    )
    update liquidity_pools pool set lp_total_supply = pool.lp_total_supply + ${sql.lit(sign)} * locked.amount
    from locked where pool.id = locked.id`,
});
