import { type ContractKind, type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { BlockSpec, Chain, LogSpec } from './chain.ts';
import { addressOf, encodeEvent } from './event-logs.ts';
import type { Subject } from './oracle/check-database.ts';
import { EVENT_ABIS } from './oracle/events.ts';
import type { Queryable } from './queryable.ts';
import { type Random, seededRandom } from './random.ts';

/** The contracts of a made-up platform on a chain in memory. */
export const MASTER = addressOf(0xa57e_0001);
/** The artist's token. */
export const TOKEN = addressOf(0x70ce_0001);
const PAIR = addressOf(0x9a12_0001);
/** The dividend contract. */
export const DIVIDENDS = addressOf(0xd171_0001);
/** Wallets that trade. */
export const WALLETS = Array.from({ length: 8 }, (_, index) => addressOf(0xa11ce_00 + index)) as [Hex, ...Hex[]];

/** The same contracts for a comparison; a chain in memory answers no reads of them. */
export const SUBJECTS: readonly Subject[] = [
  { kind: 'master', address: MASTER, readable: false },
  { kind: 'dividend', address: DIVIDENDS, readable: false },
  { kind: 'artist_token', address: TOKEN, readable: false },
  { kind: 'pool', address: PAIR, readable: false },
];

/** An ERC-20 transfer; of the artist token unless told otherwise. */
export function paid(from: Hex, to: Hex, value: bigint, address: Hex = TOKEN): LogSpec {
  return { address, ...encodeEvent(EVENT_ABIS.Transfer20, { from, to, value }) };
}

/** An ERC-20 transfer out of nothing. */
export function issued(to: Hex, value: bigint, address: Hex = TOKEN): LogSpec {
  return paid(ZERO_ADDRESS, to, value, address);
}

/** An ERC-721 transfer. */
export function moved(from: Hex, to: Hex, tokenId: bigint): LogSpec {
  return { address: MASTER, ...encodeEvent(EVENT_ABIS.Transfer721, { from, to, tokenId }) };
}

/** A block in which a little of everything happens. */
export function busyBlock(random: Random): BlockSpec {
  const [a, b] = [random.pick(WALLETS), random.pick(WALLETS)];
  const tokenId = BigInt(random.below(40));
  const amount = random.amount(10n ** 18n);
  const happenings: (() => LogSpec[])[] = [
    () => [issued(a, amount), paid(a, b, amount / 3n)],
    () => [paid(a, b, amount), paid(b, a, amount / 2n), paid(a, ZERO_ADDRESS, amount / 7n)],
    () => [
      { ...moved(ZERO_ADDRESS, a, tokenId), transaction: 1 },
      { address: MASTER, ...encodeEvent(EVENT_ABIS.Minted, { minter: a, tokenId, price: amount }), transaction: 1 },
    ],
    () => [moved(a, b, tokenId), moved(b, a, tokenId + 1n)],
    () => [moved(a, ZERO_ADDRESS, tokenId)],
    () => [
      {
        address: MASTER,
        ...encodeEvent(EVENT_ABIS.DefaultRoyaltySet, { receiver: a, feeNumerator: BigInt(random.below(900)) }),
      },
    ],
    () => [
      issued(a, amount, PAIR),
      { address: PAIR, ...encodeEvent(EVENT_ABIS.Sync, { reserve0: amount, reserve1: amount * 2n }) },
      {
        address: PAIR,
        ...encodeEvent(EVENT_ABIS.Swap, {
          ...{ sender: a, amount0In: amount, amount1In: 0n, amount0Out: 0n, amount1Out: amount / 2n, to: b },
        }),
      },
    ],
    () => [
      {
        address: DIVIDENDS,
        ...encodeEvent(EVENT_ABIS.RevenueDeposited, {
          amount,
          token: ZERO_ADDRESS,
          timestamp: BigInt(random.below(1_000)),
        }),
      },
    ],
  ];
  const drawn = Array.from({ length: 1 + random.below(3) }, () => random.pick(happenings)?.() ?? []);
  // Logs of one happening share a transaction where it says so, not with those of another.
  return {
    logs: drawn.flatMap((logs, at) =>
      logs.map((log) => (log.transaction === undefined ? log : { ...log, transaction: at })),
    ),
  };
}

/** Busy blocks, as a source that a seed repeats. */
export function busyBlocks(seed: number): (count: number) => BlockSpec[] {
  const random = seededRandom(seed);
  return (count) => Array.from({ length: count }, () => busyBlock(random));
}

const TABLES: Readonly<Record<ContractKind, string>> = {
  master: 'master_contracts',
  dividend: 'dividend_contracts',
  artist_token: 'artist_tokens',
  pool: 'liquidity_pools',
};

/** The platform's rows that contracts hang on. */
export type Artist = { readonly artist: string; readonly master: string };

/** Inserts an artist's rows as the platform does. */
export async function registerArtist(db: Queryable, slug = 'artist'): Promise<Artist> {
  const user = await inserted(db, 'users', { email: `${slug}@example.org`, display_name: slug });
  const artist = await inserted(db, 'artists', { user_id: user, artist_name: slug, slug });
  return { artist, master: await inserted(db, 'masters', { artist_id: artist, title: 'First Light' }) };
}

/** Announces one contract as the platform does; gives the id of its row. A pool needs the id of its token's. */
export async function announce(
  db: Queryable,
  { artist, master }: Artist,
  contract: {
    readonly kind: ContractKind;
    readonly chainId: number;
    readonly address: string;
    readonly block: number | null;
    readonly token?: string;
  },
): Promise<string> {
  const chain_id = String(contract.chainId);
  const [contract_address, deployed_at_block] = [contract.address, contract.block];
  const kinds: Readonly<Record<ContractKind, Record<string, unknown>>> = {
    master: { master_id: master, chain_id, contract_address, deployed_at_block },
    dividend: { master_id: master, distribution_model: 'per_master', chain_id, contract_address, deployed_at_block },
    artist_token: {
      ...{ artist_id: artist, chain_id, contract_address, deployed_at_block, name: '', symbol: '', total_supply: 0 },
    },
    pool: {
      ...{ artist_token_id: contract.token, chain_id, pool_address: contract_address, pool_type: 'uniswap_v2' },
      ...{ token0_address: TOKEN, token1_address: ZERO_ADDRESS, created_at_block: deployed_at_block },
    },
  };
  return inserted(db, TABLES[contract.kind], kinds[contract.kind]);
}

/** Announces the whole made-up platform on a chain. */
export async function announceAll(
  db: Queryable,
  artist: Artist,
  chain: Chain,
  block: number | null = 0,
): Promise<void> {
  const { chainId } = chain;
  await announce(db, artist, { kind: 'master', chainId, address: MASTER, block });
  await announce(db, artist, { kind: 'dividend', chainId, address: DIVIDENDS, block });
  const token = await announce(db, artist, { kind: 'artist_token', chainId, address: TOKEN, block });
  await announce(db, artist, { kind: 'pool', chainId, address: PAIR, block, token });
}

async function inserted(db: Queryable, table: string, values: Readonly<Record<string, unknown>>): Promise<string> {
  const names = Object.keys(values);
  const places = names.map((_, index) => `$${index + 1}`);
  const sql = `insert into ${table} (${names.join(', ')}) values (${places.join(', ')}) returning id`;
  return String((await db.query(sql, Object.values(values))).rows[0]?.id);
}
