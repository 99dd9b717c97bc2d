import type { World } from './world.ts';

/** Amounts of the ledger are multiples of this many base units (wei), so that a JavaScript number holds them exactly. */
export const UNIT = 1_000_000_000n;
/** LP tokens that a pair's first mint locks at the zero address (Uniswap V2 core, `MINIMUM_LIQUIDITY`), in base units. */
export const MINIMUM_LIQUIDITY = 1_000n;
/** Stands for the owner of a token that is not minted yet. */
export const NOT_MINTED = -1;
/** Stands for the owner of a token that was burnt. */
export const BURNT = -2;
/** Both reserves of a pair before its first event, in `UNIT`s. */
export const RESERVE_AT_START = 1_000_000_000_000;

/**
 * The state of the chain's contracts after a block, from which the generator makes the next block, so that no wallet sends what it
 * does not hold. Amounts are in `UNIT`s. It is not used to check a database: the oracle computes that from the logs.
 */
export class Ledger {
  /** The balance of each wallet in its artist token. */
  readonly balances: Float64Array;
  /** The owner of each NFT: the index of a wallet, `NOT_MINTED` or `BURNT`. */
  readonly owners: Int32Array;
  /** LP tokens by pool and wallet, at `pool × wallets + wallet`. */
  readonly liquidity: Float64Array;
  /** The two reserves of each pool, at `2 × pool` and `2 × pool + 1`. */
  readonly reserves: Float64Array;
  /** The LP supply of each pool, without the locked minimum. */
  readonly liquiditySupply: Float64Array;
  /** Wallets that have received their first tokens. */
  funded = 0;
  minted = 0;
  /** Events so far by kind of contract. */
  readonly events = { nft: 0, pool: 0, erc20: 0 };

  constructor(world: World) {
    const { holders, tokens } = world.options;
    const pools = world.pools.length;
    this.balances = new Float64Array(holders);
    this.owners = new Int32Array(tokens).fill(NOT_MINTED);
    this.liquidity = new Float64Array(holders * pools);
    this.reserves = new Float64Array(2 * pools).fill(RESERVE_AT_START);
    this.liquiditySupply = new Float64Array(pools);
  }

  clone(world: World): Ledger {
    const copy = new Ledger(world);
    copy.balances.set(this.balances);
    copy.owners.set(this.owners);
    copy.liquidity.set(this.liquidity);
    copy.reserves.set(this.reserves);
    copy.liquiditySupply.set(this.liquiditySupply);
    copy.funded = this.funded;
    copy.minted = this.minted;
    Object.assign(copy.events, this.events);
    return copy;
  }
}
