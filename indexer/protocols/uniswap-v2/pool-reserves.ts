import { latestEvent } from '../shared/latest-event.ts';
import { liquidityPools } from '../shared/pool-tables.ts';

/** A pair's reserves: those of its latest `Sync` (Uniswap V2 core), which tells them whole. */
export const poolReserves = latestEvent({
  name: 'pool-reserves',
  event: 'Sync',
  table: liquidityPools,
  position: 'reserve_position',
  columns: { reserve0: { argument: 'reserve0', none: 0 }, reserve1: { argument: 'reserve1', none: 0 } },
});
