import type { ChainSettings } from './define.ts';

/** What the program knows about a chain. */
export type KnownChain = {
  readonly chainId: number;
  readonly name: string;
  /** The time between two blocks in milliseconds. Undefined if the chain makes blocks on demand. */
  readonly blockTimeMs?: number;
  /**
   * The settings that replace the defaults for this chain. They include no sizes of batches and block ranges, because they are limits of
   * a provider, not of a chain. The program learns them from answers and refusals (rpc/batch-size.ts, rpc/range-size.ts, rpc/refusals.ts).
   */
  readonly preset?: Pick<ChainSettings, 'pollIntervalMs' | 'confirmations' | 'haltDepth'>;
  /** The names that other programs use for the variable with the endpoints of the chain. `RPC_URL_<chainId>` takes precedence over them. */
  readonly variables: readonly string[];
};

/**
 * A slot takes 12 s (https://ethereum.org/developers/docs/blocks). A block is final after two epochs of 32 slots
 * (https://ethereum.org/roadmap/single-slot-finality).
 */
const ETHEREUM = { blockTimeMs: 12_000, preset: { pollIntervalMs: 2_000, confirmations: 64 } };

/**
 * A block takes 2 s. It is final together with the block of Ethereum that holds its data, 20 to 30 minutes later
 * (https://docs.optimism.io/stack/transactions/transaction-finality,
 * https://docs.base.org/base-chain/network-information/transaction-finality).
 */
const OP_STACK = { blockTimeMs: 2_000, preset: { confirmations: 900 } };

/**
 * The chains that the program knows by name. Any other EVM chain works as well. All of these serve the `finalized` tag, so their
 * `confirmations` only apply to endpoints that do not forward the tag.
 */
export const KNOWN_CHAINS: readonly KnownChain[] = [
  { chainId: 1, name: 'Ethereum', ...ETHEREUM, variables: ['ETHEREUM_RPC_URL', 'ETH_MAINNET_RPC_URL', 'ETH_RPC_URL'] },
  { chainId: 8453, name: 'Base', ...OP_STACK, variables: ['BASE_RPC_URL', 'BASE_MAINNET_RPC_URL'] },
  {
    chainId: 42_161,
    name: 'Arbitrum',
    // https://docs.arbitrum.io/arbitrum-essentials/arbitrum-vs-ethereum/block-numbers-and-time
    blockTimeMs: 250,
    // A block becomes final, or is reorganised, together with the block of Ethereum that holds its data. 20 minutes are 4,800 blocks
    // (https://docs.arbitrum.io/how-arbitrum-works/reference/finality-and-reorgs).
    preset: { confirmations: 4_800, haltDepth: 8_192 },
    variables: ['ARBITRUM_RPC_URL', 'ARBITRUM_MAINNET_RPC_URL'],
  },
  {
    chainId: 10,
    name: 'Optimism',
    ...OP_STACK,
    variables: ['OPTIMISM_RPC_URL', 'OPTIMISM_MAINNET_RPC_URL'],
  },
  {
    chainId: 137,
    name: 'Polygon',
    // The client allows blocks 1 s apart since block 80,084,800
    // (https://github.com/0xPolygon/bor/blob/18358b909c701d49da62d7c6505de3e162959f67/internal/cli/server/chains/mainnet.go). They have nevertheless been 2 s apart: block
    // 80,084,800 was due on 2025-12-09 at 10:00 (https://github.com/0xPolygon/bor/releases/tag/v2.5.0), and block 87,218,600 on 2026-05-21
    // at 14:00 (https://github.com/0xPolygon/bor/releases, v2.8.0).
    blockTimeMs: 2_000,
    // Without Polygon's milestones, a block is final once it is in a checkpoint of Polygon on Ethereum. Each one has about 512 blocks
    // (https://github.com/maticnetwork/Polygon-Improvement-Proposals/blob/main/PIPs/PIP-11.md).
    preset: { confirmations: 512 },
    variables: ['POLYGON_RPC_URL', 'POLYGON_MAINNET_RPC_URL'],
  },
  {
    chainId: 56,
    name: 'BNB',
    // https://docs.bnbchain.org/bnb-smart-chain/overview
    blockTimeMs: 450,
    // Without fast finality, a block is final when more than half of the 21 validators have built on it. Each of them builds several
    // blocks in a row (https://docs.bnbchain.org/bnb-smart-chain/developers/json_rpc/bsc-api-list). The page counts 8 in a row. With a
    // margin, 16 in a row are assumed: 11 validators × 16 blocks = 176.
    preset: { confirmations: 176 },
    variables: ['BNB_RPC_URL', 'BSC_RPC_URL'],
  },
  {
    chainId: 43_114,
    name: 'Avalanche',
    // The least time between two blocks was 2 s when validators began to vote on it; since then they can change it with every block
    // (https://build.avax.network/docs/acps/226-dynamic-minimum-block-times).
    blockTimeMs: 2_000,
    // A node only serves accepted blocks, which are final (https://build.avax.network/docs/rpcs/c-chain/rpc). The newest blocks are
    // nevertheless checked like those of any other chain.
    preset: { confirmations: 8 },
    variables: ['AVALANCHE_RPC_URL'],
  },
  { chainId: 11_155_111, name: 'Sepolia', ...ETHEREUM, variables: ['SEPOLIA_RPC_URL', 'ETH_SEPOLIA_RPC_URL'] },
  { chainId: 84_532, name: 'Base Sepolia', ...OP_STACK, variables: ['BASE_SEPOLIA_RPC_URL'] },
  // Anvil makes a block for each transaction. Its `finalized` tag is 64 blocks below the head (https://getfoundry.sh/anvil/reference/).
  { chainId: 31_337, name: 'Anvil', variables: ['ANVIL_RPC_URL'] },
];

/** Returns what the program knows about a chain. Undefined if the chain is not in `KNOWN_CHAINS`. */
export function knownChain(chainId: number): KnownChain | undefined {
  return KNOWN_CHAINS.find((chain) => chain.chainId === chainId);
}

/** Returns the name of a chain for messages: `chain 8453 (Base)`. */
export function chainLabel(chainId: number): string {
  const known = knownChain(chainId);
  return `chain ${chainId}${known === undefined ? '' : ` (${known.name})`}`;
}
