import type { Hex } from '../../kernel/chain.ts';
import { addressOf, decimalsOf, flagOf, wordsOf } from './answers.ts';
import type { ChainReader } from './chain-reader.ts';

/** The function selectors: the first four bytes of keccak-256 of each signature. */
const SELECTOR = {
  'supportsInterface(bytes4)': '0x01ffc9a7',
  'decimals()': '0x313ce567',
  'allowance(address,address)': '0xdd62ed3e',
  'isApprovedForAll(address,address)': '0xe985e9c5',
  'token0()': '0x0dfe1681',
  'token1()': '0xd21220a7',
  'getReserves()': '0x0902f1ac',
  'price0CumulativeLast()': '0x5909c0d5',
  'slot0()': '0x3850c7bd',
  'liquidity()': '0x1a686502',
  'fee()': '0xddca3f43',
  'stable()': '0x22be3de1',
  'metadata()': '0x392f37e9',
  /** No contract has this function. A contract that answers this call answers every call, so its answers prove nothing. */
  'tokenOfNothingAtAll()': '0x2e09e9c0',
} as const satisfies Record<string, Hex>;

/** Interface ids of EIP-165. By EIP-165, no contract may support the last one. */
const INTERFACE = { erc721: '80ac58cd', erc1155: 'd9b67a26', none: 'ffffffff' } as const;

/** Two arbitrary addresses, used as arguments of functions about an owner and a spender. */
const OWNER = '1'.padStart(64, '0');
const SPENDER = '2'.padStart(64, '0');

/** Calls a function of a contract. The answer is `0x` if the contract does not have the function. */
type Ask = (signature: keyof typeof SELECTOR, args?: string) => Promise<Hex>;

/** The standards and protocols that can be recognised, because certain answers are given only by their contracts. */
export type Standard = keyof typeof RULES;

/** For each standard, the words that follow "it" in a sentence about a contract of the standard. */
const NAMES: Readonly<Record<Standard, string>> = {
  solidly: 'speaks Solidly (Velodrome, Aerodrome)',
  uniswapV3: 'speaks Uniswap V3',
  erc721: 'speaks ERC-721',
  erc1155: 'speaks ERC-1155',
  erc20: 'speaks ERC-20',
};

const RULES = {
  solidly: isSolidly,
  uniswapV3: isUniswapV3,
  erc721: async (ask: Ask) =>
    (await isHonest(ask)) && (await supports(ask, 'erc721')) === true && !(await hasAllowances(ask)),
  erc1155: async (ask: Ask) =>
    (await isHonest(ask)) && (await supports(ask, 'erc1155')) === true && (await supports(ask, 'erc721')) === false,
  erc20: isErc20,
};

/**
 * Returns the standard that a contract follows instead of its registered protocol, and `name`, the words that describe this in messages.
 * Returns null if the contract's answers prove none of the standards in `among`. The answers count only if the contract gives them twice,
 * and if it does not answer a call of a function that no contract has.
 *
 * @param among the standards to look for: those that a contract of the registered protocol cannot follow
 */
export async function findOtherStandard(
  reader: ChainReader,
  address: Hex,
  among: readonly Standard[],
  signal: AbortSignal,
): Promise<{ readonly standard: Standard; readonly name: string } | null> {
  const ask = askerOf(reader, address, signal);
  for (const standard of among) {
    if (!(await RULES[standard](ask)) || (await ask('tokenOfNothingAtAll()')) !== '0x') continue;
    if (await RULES[standard](ask)) return { standard, name: NAMES[standard] };
  }
  return null;
}

/** Returns whether a contract says by ERC-165 that it is an ERC-721 collection. */
export async function saysErc721(reader: ChainReader, address: Hex, signal: AbortSignal): Promise<boolean> {
  return (await supports(askerOf(reader, address, signal), 'erc721')) === true;
}

/** Returns whether a contract answers as an ERC-20 token does, whatever else it is. */
export async function answersAsErc20(reader: ChainReader, address: Hex, signal: AbortSignal): Promise<boolean> {
  return hasAllowances(askerOf(reader, address, signal));
}

/** Returns whether a contract answers as a pair of Uniswap V2 or of a fork. Pairs of Solidly do not answer `price0CumulativeLast()`. */
export async function answersAsUniswapV2(reader: ChainReader, address: Hex, signal: AbortSignal): Promise<boolean> {
  const ask = askerOf(reader, address, signal);
  return (
    wordsOf(await ask('price0CumulativeLast()'), 1) !== undefined &&
    wordsOf(await ask('getReserves()'), 3) !== undefined
  );
}

function askerOf(reader: ChainReader, address: Hex, signal: AbortSignal): Ask {
  return (signature, args = '') => reader.call(address, `${SELECTOR[signature]}${args}`, signal);
}

async function supports(ask: Ask, id: keyof typeof INTERFACE): Promise<boolean | undefined> {
  return flagOf(await ask('supportsInterface(bytes4)', INTERFACE[id].padEnd(64, '0')));
}

/** Returns whether a contract implements EIP-165, by which it must say that it does not support `0xffffffff`. */
async function isHonest(ask: Ask): Promise<boolean> {
  return (await supports(ask, 'none')) === false;
}

async function hasAllowances(ask: Ask): Promise<boolean> {
  return (
    decimalsOf(await ask('decimals()')) !== undefined &&
    wordsOf(await ask('allowance(address,address)', OWNER + SPENDER), 1) !== undefined
  );
}

/** Returns whether a contract is an ERC-20 token, and not a hybrid that also answers as every ERC-721 or ERC-1155 contract does. */
async function isErc20(ask: Ask): Promise<boolean> {
  return (
    (await hasAllowances(ask)) &&
    wordsOf(await ask('isApprovedForAll(address,address)', OWNER + SPENDER), 1) === undefined &&
    (await supports(ask, 'erc721')) !== true
  );
}

/** Returns whether a contract is a Solidly pair. `metadata()` has seven words: both decimals, both reserves, `stable()`, both tokens. */
async function isSolidly(ask: Ask): Promise<boolean> {
  const metadata = wordsOf(await ask('metadata()'), 7);
  if (metadata === undefined) return false;
  const [token0, token1, stable] = [await ask('token0()'), await ask('token1()'), flagOf(await ask('stable()'))];
  return (
    metadata[4] === (stable === undefined ? undefined : BigInt(stable)) &&
    addressOf(token0) !== undefined &&
    metadata[5] === BigInt(token0) &&
    addressOf(token1) !== undefined &&
    metadata[6] === BigInt(token1)
  );
}

/** Returns whether a contract is a pool of Uniswap V3, or of Slipstream, whose `slot0()` has one word less. */
async function isUniswapV3(ask: Ask): Promise<boolean> {
  const slot0 = await ask('slot0()');
  return (
    (wordsOf(slot0, 7) ?? wordsOf(slot0, 6)) !== undefined &&
    wordsOf(await ask('liquidity()'), 1) !== undefined &&
    wordsOf(await ask('fee()'), 1) !== undefined &&
    wordsOf(await ask('getReserves()'), 3) === undefined
  );
}
