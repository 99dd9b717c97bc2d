import { deadLetters } from '../facts/dead-letters.ts';
import type { FactTable } from '../facts/fact-table.ts';
import { dividendClaims } from './dividend/dividend-claims.ts';
import { dividendEvents } from './dividend/dividend-events.ts';
import { tokenTransfers } from './erc20/token-transfers.ts';
import { nftTransfers } from './erc721c/nft-transfers.ts';
import { contractEvents } from './shared/contract-events.ts';
import { poolEvents } from './shared/pool-events.ts';

/** Every table of facts, in the order in which commits write to them. */
export const factTables: readonly FactTable[] = [
  nftTransfers,
  tokenTransfers,
  poolEvents,
  dividendEvents,
  dividendClaims,
  contractEvents,
  deadLetters,
];
