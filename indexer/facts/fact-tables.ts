import { contractEvents } from './contract-events.ts';
import { deadLetters } from './dead-letters.ts';
import { dividendClaims } from './dividend-claims.ts';
import { dividendEvents } from './dividend-events.ts';
import type { FactTable } from './fact-table.ts';
import { nftTransfers } from './nft-transfers.ts';
import { poolEvents } from './pool-events.ts';
import { tokenTransfers } from './token-transfers.ts';

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
