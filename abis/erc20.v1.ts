import type { Abi } from 'viem';
import { administrativeEvents } from './administration.ts';

/** An artist token. */
export const erc20V1 = [
  // EIP-20
  {
    type: 'event',
    name: 'Transfer',
    inputs: [
      { name: 'from', type: 'address', indexed: true },
      { name: 'to', type: 'address', indexed: true },
      { name: 'value', type: 'uint256', indexed: false },
    ],
  },
  ...administrativeEvents,
] as const satisfies Abi;
