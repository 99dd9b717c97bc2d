import { toEventSelector } from 'viem';
import type { ContractKind, Hex } from '../indexer/kernel/chain.ts';
import { Random } from './random.ts';

/** The size and the seed of a benchmark's chain. */
export type WorldOptions = {
  readonly events: number;
  readonly blocks: number;
  /** Only blocks whose number is a multiple of this hold events. */
  readonly stride: number;
  /** The number of wallets. Each wallet holds one of the artist tokens. */
  readonly holders: number;
  /** The number of NFTs of all masters together. */
  readonly tokens: number;
  readonly seed: number;
};

/** The chain id of a benchmark's chain. */
export const CHAIN_ID = 31_337;

/** Returns the environment variables of the program. */
export function environment(databaseUrl: string, rpcUrl: string): Readonly<Record<string, string>> {
  return { DATABASE_URL: databaseUrl, [`RPC_URL_${CHAIN_ID}`]: rpcUrl, LOG_LEVEL: 'warn' };
}

/** Events per block, unless the number of blocks is given too. */
export const EVENTS_PER_BLOCK = 25;

/** Returns the sizes of a chain whose blocks hold only logs of contracts that are not followed. */
export function quietOptions(blocks: number): WorldOptions {
  return { ...SIZES, events: 0, blocks, stride: blocks + 1, holders: 10, tokens: 10 };
}

/** The sizes of a full run. */
export const SIZES: WorldOptions = {
  events: 500_000,
  blocks: 20_000,
  stride: 1,
  holders: 5_000,
  tokens: 25_000,
  seed: 1,
};

/** A long history with few events, four in each block that has any. */
export const SPARSE: WorldOptions = {
  events: 5_000,
  blocks: 2_000_000,
  stride: 1_600,
  holders: 100,
  tokens: 500,
  seed: 1,
};

const ARTIST_TOKENS = 2;
const MASTERS = 5;
/** Shares of all events. The rest is ERC-20 transfers. */
export const SHARE = { nft: 0.25, pool: 0.15 };

const TIMESTAMP_OF_GENESIS_S = 1_700_000_000;
const BLOCK_TIME_S = 2;
const NUMBER_DIGITS = 8;

/** The first topic of each event that the chain emits. */
export const TOPIC = {
  transfer: toEventSelector('Transfer(address,address,uint256)'),
  minted: toEventSelector('Minted(address,uint256,uint256)'),
  sync: toEventSelector('Sync(uint112,uint112)'),
  swap: toEventSelector('Swap(address,uint256,uint256,uint256,uint256,address)'),
  mint: toEventSelector('Mint(address,uint256,uint256)'),
  burn: toEventSelector('Burn(address,uint256,uint256,address)'),
} as const;

/** The contracts, wallets, block hashes and timestamps of a benchmark's chain, as a function of its options alone. */
export class World {
  readonly options: WorldOptions;
  readonly wallets: readonly Hex[];
  readonly artistTokens: readonly Hex[];
  readonly masters: readonly Hex[];
  /** One pool for each artist token, which is the pool's token 0. The pool's token 1 is not followed. */
  readonly pools: readonly Hex[];
  readonly quoteToken: Hex;

  constructor(options: WorldOptions) {
    this.options = options;
    const { seed } = options;
    this.wallets = addresses(seed, 1, options.holders);
    this.artistTokens = addresses(seed, 2, ARTIST_TOKENS);
    this.masters = addresses(seed, 3, MASTERS);
    this.pools = addresses(seed, 4, ARTIST_TOKENS);
    this.quoteToken = addresses(seed, 5, 1)[0] as Hex;
  }

  /** Returns every followed contract. */
  contracts(): readonly { readonly kind: ContractKind; readonly address: Hex }[] {
    return [
      ...this.masters.map((address) => ({ kind: 'master' as const, address })),
      ...this.artistTokens.map((address) => ({ kind: 'artist_token' as const, address })),
      ...this.pools.map((address) => ({ kind: 'pool' as const, address })),
    ];
  }

  /** Returns addresses of further artist tokens, which emit no events. */
  silentTokens(count: number): readonly Hex[] {
    return addresses(this.options.seed, 9, count);
  }

  /** Returns the number of events in the blocks 1 to `block`. */
  eventsUpTo(block: number): number {
    const { events, blocks, stride } = this.options;
    return Math.floor((events * Math.floor(block / stride)) / Math.max(1, Math.floor(blocks / stride)));
  }

  /** Returns the hash of a block, whose last digits are the block's number. */
  blockHash(block: number): Hex {
    const number = block.toString(16).padStart(NUMBER_DIGITS, '0');
    return `0x${new Random(this.options.seed, 6, block).hex(64 - NUMBER_DIGITS)}${number}`;
  }

  /** Returns the number of the block with a hash; undefined if the chain has no such block. */
  blockOf(hash: string): number | undefined {
    const block = Number(`0x${hash.slice(-NUMBER_DIGITS)}`);
    return this.blockHash(block) === hash ? block : undefined;
  }

  /** Returns the timestamp of a block in Unix seconds. */
  timestamp(block: number): number {
    return TIMESTAMP_OF_GENESIS_S + block * BLOCK_TIME_S;
  }

  /** Returns the index of an NFT's master, given the NFT's index among those of all masters. */
  masterOf(token: number): number {
    return token % this.masters.length;
  }

  tokenId(token: number): number {
    return Math.floor(token / this.masters.length) + 1;
  }

  /** Returns the wallets that hold an artist token: the index of the first and their number. */
  walletsOf(artistToken: number): { readonly first: number; readonly count: number } {
    const first = Math.floor((this.wallets.length * artistToken) / this.artistTokens.length);
    const end = Math.floor((this.wallets.length * (artistToken + 1)) / this.artistTokens.length);
    return { first, count: end - first };
  }
}

function addresses(seed: number, series: number, count: number): Hex[] {
  return Array.from({ length: count }, (_, index) => `0x${new Random(seed, series, index).hex(40)}` as const);
}
