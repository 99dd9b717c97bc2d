import type { World } from './world.ts';

/** Amounts are kept as whole numbers of this many of the smallest unit, so that they stay exact as numbers. */
export const UNIT = 1_000_000_000n;
/** What a pair's first mint sends from zero to zero (Uniswap V2 core, `MINIMUM_LIQUIDITY`), in the smallest unit. */
export const MINIMUM_LIQUIDITY = 1_000n;
/** Stands for the owner of a token that does not exist yet. */
export const NOT_MINTED = -1;
/** Stands for the owner of a token that was burnt. */
export const BURNT = -2;
/** Both reserves of a pair before its first event, in base units. */
export const RESERVE_AT_START = 1_000_000_000_000;

/** The chain's state after a block, as its contracts would hold it; amounts in `UNIT`s. */
export class Ledger {
  /** By wallet. */
  readonly balances: Float64Array;
  /** By token: its owner's wallet, or one of the constants above. */
  readonly owners: Int32Array;
  /** By pool and wallet. */
  readonly liquidity: Float64Array;
  /** By pool: two of each. */
  readonly reserves: Float64Array;
  /** By pool: LP tokens in being, without the first 1000. */
  readonly liquiditySupply: Float64Array;
  /** Wallets that were given their first tokens. */
  funded = 0;
  minted = 0;
  /** Events so far, by kind of contract, and facts so far, by table. */
  readonly events = { nft: 0, pool: 0, erc20: 0 };
  readonly facts = { token_transfers: 0, nft_transfers: 0, pool_events: 0, contract_events: 0 };

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
    Object.assign(copy.facts, this.facts);
    return copy;
  }
}

/** What the database must hold after a block: rows by table of facts, and a line for every balance, owner, reserve and total. */
export type Expected = { readonly facts: Ledger['facts']; readonly state: readonly string[] };

/** Returns the rows that a database must hold after the whole chain. */
export function expectedOf(world: World, ledger: Ledger): Expected {
  const state: string[] = [];
  const amount = (units: number) => (BigInt(units) * UNIT).toString();
  for (const [index, token] of world.artistTokens.entries()) {
    const { first, count } = world.walletsOf(index);
    const balances = ledger.balances.slice(first, first + count);
    for (const [wallet, units] of balances.entries()) {
      if (units > 0) state.push(`balance ${token} ${world.wallets[first + wallet]} ${amount(units)}`);
    }
    const supply = balances.reduce((sum, units) => sum + units, 0);
    const holders = balances.filter((units) => units > 0).length;
    state.push(`token ${token} supply ${amount(supply)} holders ${holders}`);
  }
  const supplies = world.masters.map(() => ({ supply: 0, minted: 0 }));
  for (const [token, owner] of ledger.owners.entries()) {
    if (owner === NOT_MINTED) continue;
    const master = world.masterOf(token);
    const totals = supplies[master] as { supply: number; minted: number };
    totals.minted += 1;
    if (owner !== BURNT) totals.supply += 1;
    const wallet = owner === BURNT ? `0x${'0'.repeat(40)}` : world.wallets[owner];
    state.push(`owner ${world.masters[master]} ${world.tokenId(token)} ${wallet}`);
  }
  for (const [master, { supply, minted }] of supplies.entries()) {
    if (minted > 0) state.push(`master ${world.masters[master]} supply ${supply} minted ${minted}`);
  }
  for (const [pool, address] of world.pools.entries()) {
    const [reserve0 = 0, reserve1 = 0] = ledger.reserves.slice(2 * pool, 2 * pool + 2);
    const units = ledger.liquiditySupply[pool] ?? 0;
    const supply = units === 0 ? 0n : BigInt(units) * UNIT + MINIMUM_LIQUIDITY;
    state.push(`pool ${address} reserves ${amount(reserve0)} ${amount(reserve1)} supply ${supply}`);
    for (const [wallet, hex] of world.wallets.entries()) {
      const held = ledger.liquidity[pool * world.wallets.length + wallet] ?? 0;
      if (held > 0) state.push(`liquidity ${address} ${hex} ${amount(held)}`);
    }
  }
  return { facts: ledger.facts, state: state.sort() };
}
