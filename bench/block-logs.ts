import type { Hex } from '../indexer/kernel/chain.ts';
import { BURNT, type Ledger, MINIMUM_LIQUIDITY, NOT_MINTED, UNIT } from './ledger.ts';
import { Random } from './random.ts';
import { SHARE, TOPIC, type World } from './world.ts';

const ZERO_TOPIC: Hex = `0x${'0'.repeat(64)}`;
const FUNDING_UNITS = 1_000_000_000_000;
const LIQUIDITY_AT_START_UNITS = 1_000_000_000;
/** One of this many ERC-20 transfers is a burn. */
const BURN_EVERY = 200;
/** One of this many NFT transfers is a burn. */
const NFT_BURN_EVERY = 500;
/** One of this many pool actions adds liquidity. */
const ADD_EVERY = 20;
/** One of this many pool actions removes liquidity. */
const REMOVE_EVERY = 40;
/** Events of a pool's longest action. */
const LIQUIDITY_EVENTS = 4;

/** Logs of a block as JSON text without the brackets, and the addresses and topics that its bloom filter must contain. */
export type BlockLogs = { readonly json: string; readonly items: ReadonlySet<Hex> };

/** Makes the logs of one block after another and applies each to the ledger. */
export class BlockWriter {
  readonly #world: World;
  readonly #topics: readonly Hex[];

  constructor(world: World) {
    this.#world = world;
    this.#topics = world.wallets.map(topicOf);
  }

  /** Returns the logs of a block and applies them to the ledger, which must be at the block before. */
  write(block: number, ledger: Ledger): BlockLogs {
    const { options } = this.#world;
    const before = this.#world.eventsUpTo(block - 1);
    const after = this.#world.eventsUpTo(block);
    const events = new BlockEvents(this.#world, this.#topics, ledger, block, new Random(options.seed, 7, block));
    let pool = Math.floor(after * SHARE.pool) - ledger.events.pool;
    let nft = Math.floor(after * SHARE.nft) - ledger.events.nft;
    let erc20 = after - before - pool - nft;
    ledger.events.pool += pool;
    ledger.events.nft += nft;
    ledger.events.erc20 += erc20;
    while (pool + nft + erc20 > 0) {
      const pick = events.random.below(pool + nft + erc20);
      if (pick < pool) pool -= events.actOnPool(pool);
      else if (pick < pool + nft) nft -= events.moveNft(nft);
      else erc20 -= events.moveToken();
    }
    return { json: events.json, items: events.items };
  }
}

/** The events of one block while it is made. Every action returns the number of events that it emitted. */
class BlockEvents {
  json = '';
  readonly items = new Set<Hex>();
  readonly random: Random;
  readonly #world: World;
  readonly #topics: readonly Hex[];
  readonly #ledger: Ledger;
  readonly #blockText: string;
  #logIndex = 0;
  #transaction = -1;
  #transactionText = '';

  constructor(world: World, topics: readonly Hex[], ledger: Ledger, block: number, random: Random) {
    this.#world = world;
    this.#topics = topics;
    this.#ledger = ledger;
    this.random = random;
    const time = world.timestamp(block).toString(16);
    this.#blockText = `"blockNumber":"0x${block.toString(16)}","blockHash":"${world.blockHash(block)}","blockTimestamp":"0x${time}"`;
  }

  moveToken(): number {
    const { artistTokens, wallets } = this.#world;
    const { balances } = this.#ledger;
    this.#begin();
    if (this.#ledger.funded < wallets.length) {
      const to = this.#ledger.funded++;
      balances[to] = FUNDING_UNITS;
      return this.#transfer(this.#tokenOf(to), ZERO_TOPIC, this.#wallet(to), FUNDING_UNITS);
    }
    const token = this.random.below(artistTokens.length);
    const { first, count } = this.#world.walletsOf(token);
    const from = first + this.random.below(count);
    const to = first + this.random.below(count);
    const held = balances[from] as number;
    const units = held < 8 ? held : 1 + this.random.below(held / 4);
    const burns = this.random.below(BURN_EVERY) === 0;
    balances[from] = held - units;
    if (!burns) balances[to] = (balances[to] as number) + units;
    const address = artistTokens[token] as Hex;
    return this.#transfer(address, this.#wallet(from), burns ? ZERO_TOPIC : this.#wallet(to), units);
  }

  moveNft(eventsMax: number): number {
    const { masters } = this.#world;
    const { owners } = this.#ledger;
    const to = this.random.below(this.#world.wallets.length);
    const mints = this.#ledger.minted < owners.length && (this.#ledger.minted < 16 || this.random.below(2) === 0);
    const token = mints ? this.#ledger.minted++ : this.#ownedToken();
    const owner = owners[token] as number;
    const burns = !mints && this.random.below(NFT_BURN_EVERY) === 0;
    owners[token] = burns ? BURNT : to;
    const id = uint(BigInt(this.#world.tokenId(token)));
    const master = masters[this.#world.masterOf(token)] as Hex;
    this.#begin();
    const parties = [mints ? ZERO_TOPIC : this.#wallet(owner), burns ? ZERO_TOPIC : this.#wallet(to)];
    this.#log(master, [TOPIC.transfer, ...(parties as Hex[]), `0x${id}`], '');
    if (!mints || eventsMax < 2) return 1;
    const price = uint(BigInt(1 + this.random.below(1_000)) * 10n ** 15n);
    this.#log(master, [TOPIC.minted, this.#wallet(to), `0x${id}`], price);
    return 2;
  }

  actOnPool(eventsMax: number): number {
    const pool = this.random.below(this.#world.pools.length);
    this.#begin();
    const isFunded = (this.#ledger.liquiditySupply[pool] as number) > 0;
    if (eventsMax >= LIQUIDITY_EVENTS && (!isFunded || this.random.below(ADD_EVERY) === 0))
      return this.#addLiquidity(pool);
    if (eventsMax >= LIQUIDITY_EVENTS && this.random.below(REMOVE_EVERY) === 0) return this.#removeLiquidity(pool);
    return eventsMax >= 2 ? this.#swap(pool) : this.#sync(pool);
  }

  #swap(pool: number): number {
    const { reserves } = this.#ledger;
    const buys = this.random.below(2);
    const [at, other] = [2 * pool + buys, 2 * pool + 1 - buys];
    const [reserveIn = 0, reserveOut = 0] = [reserves[at], reserves[other]];
    const paid = 1 + this.random.below(reserveIn / 1_000);
    const got = Math.floor((paid * 0.997 * reserveOut) / (reserveIn + paid * 0.997));
    reserves[at] = reserveIn + paid;
    reserves[other] = reserveOut - got;
    const events = this.#sync(pool);
    const [sender, to] = [this.#someWallet(), this.#someWallet()];
    const amounts = buys === 0 ? [paid, 0, 0, got] : [0, paid, got, 0];
    const data = amounts.map(amount).join('');
    this.#log(this.#world.pools[pool] as Hex, [TOPIC.swap, this.#wallet(sender), this.#wallet(to)], data);
    return events + 1;
  }

  /**
   * Adds liquidity in four events. The first time begins with the transfer that locks the minimum; later times begin with a `Sync`
   * instead, which a pair may emit at any time.
   */
  #addLiquidity(pool: number): number {
    const { liquiditySupply, liquidity, reserves } = this.#ledger;
    const address = this.#world.pools[pool] as Hex;
    const wallet = this.#someWallet();
    const first = liquiditySupply[pool] === 0;
    if (first) this.#log(address, [TOPIC.transfer, ZERO_TOPIC, ZERO_TOPIC], uint(MINIMUM_LIQUIDITY));
    else this.#sync(pool);
    const units = first ? LIQUIDITY_AT_START_UNITS : 1 + this.random.below(LIQUIDITY_AT_START_UNITS / 1_000);
    liquiditySupply[pool] = (liquiditySupply[pool] as number) + units;
    const at = pool * this.#world.wallets.length + wallet;
    liquidity[at] = (liquidity[at] as number) + units;
    this.#transfer(address, ZERO_TOPIC, this.#wallet(wallet), units);
    for (const side of [2 * pool, 2 * pool + 1]) reserves[side] = (reserves[side] as number) + units;
    this.#sync(pool);
    this.#log(address, [TOPIC.mint, this.#wallet(wallet)], amount(units) + amount(units));
    return LIQUIDITY_EVENTS;
  }

  #removeLiquidity(pool: number): number {
    const { liquidity, liquiditySupply, reserves } = this.#ledger;
    const address = this.#world.pools[pool] as Hex;
    const wallets = this.#world.wallets.length;
    let wallet = this.#someWallet();
    for (let seen = 0; seen < wallets && liquidity[pool * wallets + wallet] === 0; seen++)
      wallet = (wallet + 1) % wallets;
    const held = liquidity[pool * wallets + wallet] as number;
    if (held === 0) return this.#swap(pool);
    const units = held < 8 ? held : Math.floor(held / 2);
    liquidity[pool * wallets + wallet] = held - units;
    liquiditySupply[pool] = (liquiditySupply[pool] as number) - units;
    this.#transfer(address, this.#wallet(wallet), topicOf(address), units);
    this.#transfer(address, topicOf(address), ZERO_TOPIC, units);
    const out = Math.floor(units / 2);
    for (const side of [2 * pool, 2 * pool + 1]) reserves[side] = (reserves[side] as number) - out;
    this.#sync(pool);
    this.#log(address, [TOPIC.burn, this.#wallet(wallet), this.#wallet(wallet)], amount(out) + amount(out));
    return LIQUIDITY_EVENTS;
  }

  #sync(pool: number): number {
    const [reserve0 = 0, reserve1 = 0] = this.#ledger.reserves.slice(2 * pool, 2 * pool + 2);
    this.#log(this.#world.pools[pool] as Hex, [TOPIC.sync], amount(reserve0) + amount(reserve1));
    return 1;
  }

  #transfer(address: Hex, from: Hex, to: Hex, units: number): number {
    this.#log(address, [TOPIC.transfer, from, to], amount(units));
    return 1;
  }

  #begin(): void {
    this.#transaction += 1;
    this.#transactionText = `"transactionHash":"0x${this.random.hex(64)}","transactionIndex":"0x${this.#transaction.toString(16)}"`;
  }

  #log(address: Hex, topics: readonly Hex[], data: string): void {
    this.items.add(address);
    for (const topic of topics) this.items.add(topic);
    const content = `"address":"${address}","topics":["${topics.join('","')}"],"data":"0x${data}"`;
    const origin = `${this.#blockText},${this.#transactionText},"logIndex":"0x${(this.#logIndex++).toString(16)}"`;
    this.json += `${this.json === '' ? '' : ','}{${content},${origin},"removed":false}`;
  }

  #wallet(wallet: number): Hex {
    return this.#topics[wallet] as Hex;
  }

  #someWallet(): number {
    return this.random.below(this.#world.wallets.length);
  }

  #tokenOf(wallet: number): Hex {
    const index = this.#world.artistTokens.findIndex((_, token) => {
      const { first, count } = this.#world.walletsOf(token);
      return wallet >= first && wallet < first + count;
    });
    return this.#world.artistTokens[index] as Hex;
  }

  /** Returns an NFT that is minted and not burnt. Searches upwards from a random token; burns are too rare to exhaust them. */
  #ownedToken(): number {
    const { owners, minted } = this.#ledger;
    let token = this.random.below(minted);
    while (owners[token] === BURNT || owners[token] === NOT_MINTED) token = (token + 1) % minted;
    return token;
  }
}

function topicOf(address: Hex): Hex {
  return `0x${address.slice(2).padStart(64, '0')}`;
}

function amount(units: number): string {
  return uint(BigInt(units) * UNIT);
}

function uint(value: bigint): string {
  return value.toString(16).padStart(64, '0');
}
