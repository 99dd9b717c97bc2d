import { latestEvent } from '../shared/latest-event.ts';

/** A pair's reserves: those of its latest `Sync` (Uniswap V2 core), which tells them whole. */
export const poolReserves = latestEvent({
  name: 'pool-reserves',
  kind: 'pool',
  event: 'Sync',
  table: 'liquidity_pools',
  position: 'reserve_position',
  lockOrder: 'id',
  columns: { reserve0: { argument: 'reserve0', none: 0 }, reserve1: { argument: 'reserve1', none: 0 } },
});
