import type { Abi } from 'viem';

/** Events by which a contract reports administrative calls. A contract emits only the events of the modules that it is built from. */
export const administrativeEvents = [
  // OpenZeppelin Contracts 4.9.6, security/Pausable.sol
  { type: 'event', name: 'Paused', inputs: [{ name: 'account', type: 'address', indexed: false }] },
  // OpenZeppelin Contracts 4.9.6, security/Pausable.sol
  { type: 'event', name: 'Unpaused', inputs: [{ name: 'account', type: 'address', indexed: false }] },
  // OpenZeppelin Contracts 4.9.6, access/Ownable2Step.sol
  {
    type: 'event',
    name: 'OwnershipTransferStarted',
    inputs: [
      { name: 'previousOwner', type: 'address', indexed: true },
      { name: 'newOwner', type: 'address', indexed: true },
    ],
  },
  // EIP-173
  {
    type: 'event',
    name: 'OwnershipTransferred',
    inputs: [
      { name: 'previousOwner', type: 'address', indexed: true },
      { name: 'newOwner', type: 'address', indexed: true },
    ],
  },
  // OpenZeppelin Contracts 4.9.6, access/IAccessControl.sol
  {
    type: 'event',
    name: 'RoleGranted',
    inputs: [
      { name: 'role', type: 'bytes32', indexed: true },
      { name: 'account', type: 'address', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
    ],
  },
  // OpenZeppelin Contracts 4.9.6, access/IAccessControl.sol
  {
    type: 'event',
    name: 'RoleRevoked',
    inputs: [
      { name: 'role', type: 'bytes32', indexed: true },
      { name: 'account', type: 'address', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
    ],
  },
  // EIP-1967: the proxy uses another implementation from now on
  { type: 'event', name: 'Upgraded', inputs: [{ name: 'implementation', type: 'address', indexed: true }] },
] as const satisfies Abi;
