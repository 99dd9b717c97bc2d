import { NotThisProtocol, type Protocol } from '../protocol.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { poolIdentity, readPool } from '../shared/metadata.ts';
import { poolEvents } from '../shared/pool-events.ts';
import { liquidityPools, poolPositionRows } from '../shared/pool-tables.ts';
import { pairContradictions } from './contradictions.ts';
import { uniswapV2PairV1Events } from './decoders.ts';
import { poolPositions } from './pool-positions.ts';
import { poolReserves } from './pool-reserves.ts';

/** A pair of Uniswap V2 or of a fork. Forks cannot be distinguished by calls, so the platform's `pool_type` is trusted. */
export const uniswapV2: Protocol = {
  name: 'uniswap-v2',
  version: '1.0',
  kind: 'pool',
  poolTypes: ['uniswap_v2', 'sushiswap'],
  events: uniswapV2PairV1Events,
  factTables: [poolEvents, contractEvents],
  stateTables: [poolPositionRows, liquidityPools],
  folds: [poolPositions, poolReserves],
  contradictions: pairContradictions,
  identify: async (reader, address, signal) => {
    const pool = await readPool(reader, address, signal);
    if (pool === undefined) return {};
    if (pool.family === 'v3')
      throw new NotThisProtocol('it answers as a Uniswap V3 pool', poolIdentity(pool), 'uniswap_v3');
    return poolIdentity(pool);
  },
};
