import type { Hex } from '../../kernel/chain.ts';
import type { Identity } from '../protocol.ts';
import { addressOf, decimalsOf, textOf, wordsOf } from './answers.ts';
import type { ChainReader } from './chain-reader.ts';

/** The sizes of the columns for names and symbols, in characters. */
const NAME_CHARS_MAX = 100;
const SYMBOL_CHARS_MAX = 20;

/** The function selectors: the first four bytes of keccak-256 of each signature. */
const SELECTOR = {
  name: '0x06fdde03',
  symbol: '0x95d89b41',
  decimals: '0x313ce567',
  token0: '0x0dfe1681',
  token1: '0xd21220a7',
  getReserves: '0x0902f1ac',
  slot0: '0x3850c7bd',
} as const satisfies Record<string, Hex>;

/** The metadata that an ERC-20 token reports. */
export type TokenMetadata = {
  readonly name: string;
  readonly symbol: string;
  /** Undefined if the token does not report it. The column then keeps its default of 18. */
  readonly decimals: number | undefined;
};

/** The metadata that a pool reports. */
export type PoolMetadata = {
  readonly token0: Hex;
  readonly token1: Hex;
  readonly token0Symbol: string;
  readonly token1Symbol: string;
  /** `v2` if the pool answers `getReserves` (Uniswap V2 and forks), `v3` if it answers `slot0`. Undefined if it answers neither. */
  readonly family: 'v2' | 'v3' | undefined;
};

/** Reads name, symbol and decimals of an ERC-20 token (EIP-20, all optional). Removes characters that PostgreSQL cannot store. */
export async function readToken(reader: ChainReader, address: Hex, signal: AbortSignal): Promise<TokenMetadata> {
  const [name, symbol, decimals] = await Promise.all([
    reader.call(address, SELECTOR.name, signal),
    reader.call(address, SELECTOR.symbol, signal),
    reader.call(address, SELECTOR.decimals, signal),
  ]);
  return {
    name: textOf(name, NAME_CHARS_MAX),
    symbol: textOf(symbol, SYMBOL_CHARS_MAX),
    decimals: decimalsOf(decimals),
  };
}

/** Reads the tokens and the family of a Uniswap V2 or V3 pool or of a fork. Returns undefined if the contract is not a pool. */
export async function readPool(
  reader: ChainReader,
  address: Hex,
  signal: AbortSignal,
): Promise<PoolMetadata | undefined> {
  const [answer0, answer1, reserves, slot0] = await Promise.all([
    reader.call(address, SELECTOR.token0, signal),
    reader.call(address, SELECTOR.token1, signal),
    reader.call(address, SELECTOR.getReserves, signal),
    reader.call(address, SELECTOR.slot0, signal),
  ]);
  const token0 = addressOf(answer0);
  const token1 = addressOf(answer1);
  if (token0 === undefined || token1 === undefined) return undefined;
  const [symbol0, symbol1] = await Promise.all([
    reader.call(token0, SELECTOR.symbol, signal),
    reader.call(token1, SELECTOR.symbol, signal),
  ]);
  return {
    token0,
    token1,
    token0Symbol: textOf(symbol0, SYMBOL_CHARS_MAX),
    token1Symbol: textOf(symbol1, SYMBOL_CHARS_MAX),
    family: wordsOf(reserves, 3) ? 'v2' : wordsOf(slot0, 7) ? 'v3' : undefined,
  };
}

/** Returns the columns of `liquidity_pools` that hold the metadata of a pool. */
export function poolColumns({ token0, token1, token0Symbol, token1Symbol }: PoolMetadata): Identity['columns'] {
  return { token0_address: token0, token1_address: token1, token0_symbol: token0Symbol, token1_symbol: token1Symbol };
}
