import { latestEvent } from '../shared/latest-event.ts';
import { masterContracts } from './state-tables.ts';

/** A master's royalty in basis points: the `feeNumerator` of its latest `DefaultRoyaltySet` (over 10,000 as in ERC-2981's OpenZeppelin form). */
export const royalty = latestEvent({
  name: 'royalty',
  event: 'DefaultRoyaltySet',
  table: masterContracts,
  position: 'royalty_position',
  columns: { contract_royalty_bps: { argument: 'feeNumerator', none: null } },
});
