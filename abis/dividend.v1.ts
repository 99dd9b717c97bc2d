import type { Abi } from 'viem';
import { administrativeEvents } from './administration.ts';

/** The platform's dividend contract. As a token, the zero address stands for the native coin. */
export const dividendV1 = [
  // The platform's dividend contract: revenue came in
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
  // The platform's dividend contract: a holder was paid for one token; it does not say in which currency
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
