import { dividendTotals } from './dividend/dividend-totals.ts';
import { tokenBalances } from './erc20/token-balances.ts';
import { tokenSupply } from './erc20/token-supply.ts';
import { masterSupply } from './erc721c/master-supply.ts';
import { mintOrder } from './erc721c/mint-order.ts';
import { nftTokens } from './erc721c/nft-tokens.ts';
import { royalty } from './erc721c/royalty.ts';
import type { Fold } from './shared/fold.ts';
import { poolPositions } from './uniswap-v2/pool-positions.ts';
import { poolReserves } from './uniswap-v2/pool-reserves.ts';

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
