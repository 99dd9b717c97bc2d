import { latestEvent } from '../shared/latest-event.ts';

/** A master's royalty in basis points: the `feeNumerator` of its latest `DefaultRoyaltySet` (over 10,000 as in ERC-2981's OpenZeppelin form). */
export const royalty = latestEvent({
  name: 'royalty',
  kind: 'master',
  event: 'DefaultRoyaltySet',
  table: 'master_contracts',
  position: 'royalty_position',
  lockOrder: 'contract_address',
  columns: { contract_royalty_bps: { argument: 'feeNumerator', none: null } },
});
