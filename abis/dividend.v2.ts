import type { Abi } from 'viem';
import { administrativeEvents } from './administration.ts';

/** The platform's dividend contract that accepts only the native coin, reports the source of revenue, and pays the owner of a token. */
export const dividendV2 = [
  // The platform's contract interfaces: revenue from a source was deposited, in the native coin
  {
    type: 'event',
    name: 'RevenueDeposited',
    inputs: [
      { name: 'amount', type: 'uint256', indexed: false },
      { name: 'source', type: 'string', indexed: false },
      { name: 'timestamp', type: 'uint256', indexed: false },
    ],
  },
  // As in version 1.0
  {
    type: 'event',
    name: 'DividendsDistributed',
    inputs: [
      { name: 'amount', type: 'uint256', indexed: false },
      { name: 'token', type: 'address', indexed: false },
      { name: 'perTokenAmount', type: 'uint256', indexed: false },
    ],
  },
  // The platform's contract interfaces: the owner of a token was paid for it
  {
    type: 'event',
    name: 'DividendClaimed',
    inputs: [
      { name: 'tokenId', type: 'uint256', indexed: false },
      { name: 'owner', type: 'address', indexed: false },
      { name: 'amount', type: 'uint256', indexed: false },
    ],
  },
  ...administrativeEvents,
] as const satisfies Abi;
