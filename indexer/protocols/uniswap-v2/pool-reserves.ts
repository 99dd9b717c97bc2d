import { latestEvent } from '../shared/latest-event.ts';
import { liquidityPools } from '../shared/pool-tables.ts';

/** Derives the reserves of a pair from its latest `Sync` event (Uniswap V2 core), which reports both reserves. */
export const poolReserves = latestEvent({
  name: 'pool-reserves',
  event: 'Sync',
  table: liquidityPools,
  position: 'reserve_position',
  columns: { reserve0: { argument: 'reserve0', initial: 0 }, reserve1: { argument: 'reserve1', initial: 0 } },
});
