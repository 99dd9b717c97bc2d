import type { Abi } from 'viem';

/** A Uniswap V2 pair, or one of its forks that kept the events (SushiSwap). */
export const uniswapV2PairV1 = [
  // EIP-20, Uniswap V2 core, UniswapV2ERC20.sol: the pair's own liquidity token
  {
    type: 'event',
    name: 'Transfer',
    inputs: [
      { name: 'from', type: 'address', indexed: true },
      { name: 'to', type: 'address', indexed: true },
      { name: 'value', type: 'uint256', indexed: false },
    ],
  },
  // Uniswap V2 core, UniswapV2Pair.sol
  {
    type: 'event',
    name: 'Mint',
    inputs: [
      { name: 'sender', type: 'address', indexed: true },
      { name: 'amount0', type: 'uint256', indexed: false },
      { name: 'amount1', type: 'uint256', indexed: false },
    ],
  },
  // Uniswap V2 core, UniswapV2Pair.sol
  {
    type: 'event',
    name: 'Burn',
    inputs: [
      { name: 'sender', type: 'address', indexed: true },
      { name: 'amount0', type: 'uint256', indexed: false },
      { name: 'amount1', type: 'uint256', indexed: false },
      { name: 'to', type: 'address', indexed: true },
    ],
  },
  // Uniswap V2 core, UniswapV2Pair.sol
  {
    type: 'event',
    name: 'Swap',
    inputs: [
      { name: 'sender', type: 'address', indexed: true },
      { name: 'amount0In', type: 'uint256', indexed: false },
      { name: 'amount1In', type: 'uint256', indexed: false },
      { name: 'amount0Out', type: 'uint256', indexed: false },
      { name: 'amount1Out', type: 'uint256', indexed: false },
      { name: 'to', type: 'address', indexed: true },
    ],
  },
  // Uniswap V2 core, UniswapV2Pair.sol: the reserves after every Mint, Burn, Swap and sync()
  {
    type: 'event',
    name: 'Sync',
    inputs: [
      { name: 'reserve0', type: 'uint112', indexed: false },
      { name: 'reserve1', type: 'uint112', indexed: false },
    ],
  },
] as const satisfies Abi;
