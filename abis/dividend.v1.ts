import type { Abi } from 'viem';
import { administrativeEvents } from './administration.ts';

/** The events of the platform's dividend contract. In an argument `token`, the zero address stands for the native coin. */
export const dividendV1 = [
  // The platform's dividend contract: revenue was deposited
  {
    type: 'event',
    name: 'RevenueDeposited',
    inputs: [
      { name: 'amount', type: 'uint256', indexed: false },
      { name: 'token', type: 'address', indexed: false },
      { name: 'timestamp', type: 'uint256', indexed: false },
    ],
  },
  // The platform's dividend contract: revenue was divided among the tokens of the master
  {
    type: 'event',
    name: 'DividendsDistributed',
    inputs: [
      { name: 'amount', type: 'uint256', indexed: false },
      { name: 'token', type: 'address', indexed: false },
      { name: 'perTokenAmount', type: 'uint256', indexed: false },
    ],
  },
  // The platform's dividend contract: a holder was paid for one token. The event does not name the currency
  {
    type: 'event',
    name: 'DividendClaimed',
    inputs: [
      { name: 'holder', type: 'address', indexed: true },
      { name: 'tokenId', type: 'uint256', indexed: false },
      { name: 'amount', type: 'uint256', indexed: false },
    ],
  },
  ...administrativeEvents,
] as const satisfies Abi;
