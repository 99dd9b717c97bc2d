import type { Protocol } from '../protocol.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { poolColumns, readPool } from '../shared/metadata.ts';
import { poolEvents } from '../shared/pool-events.ts';
import { liquidityPools, poolPositionRows } from '../shared/pool-tables.ts';
import { answersAsUniswapV2, findOtherStandard, type Standard } from '../shared/standards.ts';
import { pairContradictions } from './contradictions.ts';
import { uniswapV2PairV1Events } from './decoders.ts';
import { poolPositions } from './pool-positions.ts';
import { poolReserves } from './pool-reserves.ts';
import { pairVerification } from './verification.ts';

/** The standards that a pair cannot follow. ERC-20 is not among them, because a pair is an ERC-20 token too. */
const OTHER_STANDARDS: readonly Standard[] = ['solidly', 'uniswapV3', 'erc721', 'erc1155'];

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
  verification: pairVerification,
  identify: async (reader, address, signal) => {
    const pool = await readPool(reader, address, signal);
    const columns = pool === undefined ? {} : poolColumns(pool);
    if (pool !== undefined && (await answersAsUniswapV2(reader, address, signal)))
      return { columns, speaks: true, note: null };
    const other = await findOtherStandard(reader, address, OTHER_STANDARDS, signal);
    if (other === null)
      return { columns, speaks: null, note: 'does not answer token0(), getReserves() and price0CumulativeLast()' };
    const isPool = other.standard === 'solidly' || other.standard === 'uniswapV3';
    const note = `${other.name}${isPool ? ', which has no protocol yet' : ' and is not a pool'}`;
    return { columns, speaks: false, note, ...(other.standard === 'uniswapV3' && { poolType: 'uniswap_v3' }) };
  },
};
