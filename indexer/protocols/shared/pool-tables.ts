import { typedStatement } from '../../db/step.ts';
import type { StateTable } from '../../facts/fact-table.ts';
import { expectedPool, expectedPositions } from './expected-pools.ts';

/** The liquidity of each wallet in each pool. */
export const poolPositionRows: StateTable = {
  schema: 'public',
  name: 'pool_positions',
  kind: 'pool',
  statistics: ['liquidity_pool_id', 'wallet_address'],
  readersIndexes: ['pool_positions_value_idx', 'pool_positions_wallet_idx'],
  digest: {
    rows: `(
      select position.*, pool.pool_address
      from pool_positions position join liquidity_pools pool on pool.id = position.liquidity_pool_id
    ) position where first_position is not null`,
    columns: [
      'chain_id',
      'pool_address',
      'wallet_address',
      'tick_lower',
      'tick_upper',
      'lp_token_balance',
      'first_position',
      'entered_at',
      'entry_tx_hash',
    ],
  },
  expected: expectedPositions,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db
          .updateTable('pool_positions')
          .set({
            lp_token_balance: 0,
            first_position: null,
            entry_position: null,
            entered_at: null,
            entry_tx_hash: null,
          })
          .where('liquidity_pool_id', 'in', contracts),
      ),
    },
  ],
  deleteRows: ({ platformId }) => [
    typedStatement((db) => db.deleteFrom('pool_positions').where('liquidity_pool_id', '=', platformId)),
  ],
};

/** The platform's rows of pools, with the reserves and the supply of the pool's own token. */
export const liquidityPools: StateTable = {
  schema: 'public',
  name: 'liquidity_pools',
  kind: 'pool',
  isPlatformRow: true,
  lockOrder: 'id',
  statistics: [],
  readersIndexes: [],
  digest: {
    rows: 'liquidity_pools',
    columns: ['chain_id', 'pool_address', 'coalesce(reserve0, 0)', 'coalesce(reserve1, 0)', 'lp_total_supply'],
  },
  expected: expectedPool,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db
          .updateTable('liquidity_pools')
          .set({ reserve0: 0, reserve1: 0, reserve_position: null, lp_total_supply: 0 })
          .where('id', 'in', contracts),
      ),
    },
  ],
};
