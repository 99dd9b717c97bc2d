import type { Abi } from 'viem';
import { administrativeEvents } from './administration.ts';

/** The platform's dividend contract that pays by snapshot: a wallet claims what it earned in an epoch, whatever it owns later. */
export const dividendV3 = [
  // The platform's database documents: revenue of a master was deposited, in the native coin
  {
    type: 'event',
    name: 'DividendDeposited',
    inputs: [
      { name: 'masterId', type: 'uint256', indexed: false },
      { name: 'amount', type: 'uint256', indexed: false },
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
  // The platform's security documents: a holder was paid for an epoch. Version 1.0's event for a token has the same first topic
  {
    type: 'event',
    name: 'DividendClaimed',
    inputs: [
      { name: 'holder', type: 'address', indexed: true },
      { name: 'epochId', type: 'uint256', indexed: false },
      { name: 'amount', type: 'uint256', indexed: false },
    ],
  },
  ...administrativeEvents,
] as const satisfies Abi;
