import { latestEvent } from '../shared/latest-event.ts';
import { masterContracts } from './state-tables.ts';

/**
 * Derives the royalty of a master in basis points: the `feeNumerator` of its latest `DefaultRoyaltySet`. The denominator is 10,000, as in
 * OpenZeppelin's implementation of ERC-2981.
 */
export const royalty = latestEvent({
  name: 'royalty',
  event: 'DefaultRoyaltySet',
  table: masterContracts,
  position: 'royalty_position',
  columns: { default_royalty_bps: { argument: 'feeNumerator', initial: null } },
});
