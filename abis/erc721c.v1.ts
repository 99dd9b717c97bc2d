import type { Abi } from 'viem';
import { administrativeEvents } from './administration.ts';

/** The events of a master: ERC-721C (Limit Break's creator token standard) and the platform's own mint event. */
export const erc721cV1 = [
  // EIP-721
  {
    type: 'event',
    name: 'Transfer',
    inputs: [
      { name: 'from', type: 'address', indexed: true },
      { name: 'to', type: 'address', indexed: true },
      { name: 'tokenId', type: 'uint256', indexed: true },
    ],
  },
  // EIP-2309: the tokens fromTokenId to toTokenId, both included
  {
    type: 'event',
    name: 'ConsecutiveTransfer',
    inputs: [
      { name: 'fromTokenId', type: 'uint256', indexed: true },
      { name: 'toTokenId', type: 'uint256', indexed: false },
      { name: 'fromAddress', type: 'address', indexed: true },
      { name: 'toAddress', type: 'address', indexed: true },
    ],
  },
  // The platform's master contract. The price is in wei
  {
    type: 'event',
    name: 'Minted',
    inputs: [
      { name: 'minter', type: 'address', indexed: true },
      { name: 'tokenId', type: 'uint256', indexed: true },
      { name: 'price', type: 'uint256', indexed: false },
    ],
  },
  // ERC-721C, Limit Break's creator-token-contracts 1.1.2, interfaces/ICreatorToken.sol
  {
    type: 'event',
    name: 'TransferValidatorUpdated',
    inputs: [
      { name: 'oldValidator', type: 'address', indexed: false },
      { name: 'newValidator', type: 'address', indexed: false },
    ],
  },
  // creator-token-contracts 1.1.2, programmable-royalties/BasicRoyalties.sol: the default fee of EIP-2981's royaltyInfo(), in basis points
  {
    type: 'event',
    name: 'DefaultRoyaltySet',
    inputs: [
      { name: 'receiver', type: 'address', indexed: true },
      { name: 'feeNumerator', type: 'uint96', indexed: false },
    ],
  },
  // creator-token-contracts 1.1.2, programmable-royalties/BasicRoyalties.sol: the royalty of one token, in basis points
  {
    type: 'event',
    name: 'TokenRoyaltySet',
    inputs: [
      { name: 'tokenId', type: 'uint256', indexed: true },
      { name: 'receiver', type: 'address', indexed: true },
      { name: 'feeNumerator', type: 'uint96', indexed: false },
    ],
  },
  // EIP-4906: the metadata to which tokenURI() refers has changed
  { type: 'event', name: 'MetadataUpdate', inputs: [{ name: '_tokenId', type: 'uint256', indexed: false }] },
  // EIP-4906: the tokens _fromTokenId to _toTokenId, both included
  {
    type: 'event',
    name: 'BatchMetadataUpdate',
    inputs: [
      { name: '_fromTokenId', type: 'uint256', indexed: false },
      { name: '_toTokenId', type: 'uint256', indexed: false },
    ],
  },
  ...administrativeEvents,
] as const satisfies Abi;
