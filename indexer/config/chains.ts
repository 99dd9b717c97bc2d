/** What the program knows about a chain. */
export type KnownChain = {
  readonly chainId: number;
  readonly name: string;
  /** Names that other programs give to the variable of its endpoints. They are read after `RPC_URL_<chainId>`. */
  readonly variables: readonly string[];
};

/** The chains that the program knows by name. Any other EVM chain works as well. */
export const KNOWN_CHAINS: readonly KnownChain[] = [
  { chainId: 1, name: 'Ethereum', variables: ['ETHEREUM_RPC_URL', 'ETH_MAINNET_RPC_URL', 'ETH_RPC_URL'] },
  { chainId: 8453, name: 'Base', variables: ['BASE_RPC_URL', 'BASE_MAINNET_RPC_URL'] },
  { chainId: 42_161, name: 'Arbitrum', variables: ['ARBITRUM_RPC_URL', 'ARBITRUM_MAINNET_RPC_URL'] },
  { chainId: 10, name: 'Optimism', variables: ['OPTIMISM_RPC_URL', 'OPTIMISM_MAINNET_RPC_URL'] },
  { chainId: 137, name: 'Polygon', variables: ['POLYGON_RPC_URL', 'POLYGON_MAINNET_RPC_URL'] },
  { chainId: 56, name: 'BNB', variables: ['BNB_RPC_URL', 'BSC_RPC_URL'] },
  { chainId: 43_114, name: 'Avalanche', variables: ['AVALANCHE_RPC_URL'] },
  { chainId: 11_155_111, name: 'Sepolia', variables: ['SEPOLIA_RPC_URL', 'ETH_SEPOLIA_RPC_URL'] },
  { chainId: 84_532, name: 'Base Sepolia', variables: ['BASE_SEPOLIA_RPC_URL'] },
  { chainId: 31_337, name: 'Anvil', variables: ['ANVIL_RPC_URL'] },
];

/** Returns what the program knows about a chain. */
export function knownChain(chainId: number): KnownChain | undefined {
  return KNOWN_CHAINS.find((chain) => chain.chainId === chainId);
}
