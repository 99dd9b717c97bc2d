import { dividendTotals } from './dividend-totals.ts';
import type { Fold } from './fold.ts';
import { masterSupply } from './master-supply.ts';
import { mintOrder } from './mint-order.ts';
import { nftTokens } from './nft-tokens.ts';
import { poolPositions } from './pool-positions.ts';
import { poolReserves } from './pool-reserves.ts';
import { royalty } from './royalty.ts';
import { tokenBalances } from './token-balances.ts';
import { tokenSupply } from './token-supply.ts';

/**
 * Every fold, in the order in which a commit applies them; an unwind runs them backwards.
 *
 * Rows of which there are many come first and the hot rows of whole contracts last, so that these are held only for the flush.
 */
export const folds: readonly Fold[] = [
  nftTokens,
  tokenBalances,
  tokenSupply,
  poolPositions,
  poolReserves,
  mintOrder,
  masterSupply,
  royalty,
  dividendTotals,
];
