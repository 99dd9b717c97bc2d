import { type ContractKind, type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { BlockSpec, Chain, LogSpec } from './chain.ts';
import { addressOf, encodeEvent } from './event-logs.ts';
import type { Subject } from './oracle/check-database.ts';
import { EVENT_ABIS } from './oracle/events.ts';
import { type Artist, insertRow } from './platform-rows.ts';
import type { Queryable } from './queryable.ts';
import { type Random, seededRandom } from './random.ts';

/** The master contract of the platform on chains in memory. */
export const MASTER = addressOf(0xa57e_0001);
/** The artist token. */
export const TOKEN = addressOf(0x70ce_0001);
const PAIR = addressOf(0x9a12_0001);
/** The dividend contract. */
export const DIVIDENDS = addressOf(0xd171_0001);
/** The wallets that appear in events. */
export const WALLETS = Array.from({ length: 8 }, (_, index) => addressOf(0xa11ce_00 + index)) as [Hex, ...Hex[]];

/** The contracts of the platform for the oracle. A chain in memory answers no calls to them. */
export const SUBJECTS: readonly Subject[] = [
  { kind: 'master', address: MASTER, readable: false },
  { kind: 'dividend', address: DIVIDENDS, readable: false },
  { kind: 'artist_token', address: TOKEN, readable: false },
  { kind: 'pool', address: PAIR, readable: false },
];

/** Returns the log of an ERC-20 transfer, by default of the artist token. */
export function erc20Transfer(from: Hex, to: Hex, value: bigint, address: Hex = TOKEN): LogSpec {
  return { address, ...encodeEvent(EVENT_ABIS.Transfer20, { from, to, value }) };
}

/** Returns the log of an ERC-20 mint, by default of the artist token. */
export function erc20Mint(to: Hex, value: bigint, address: Hex = TOKEN): LogSpec {
  return erc20Transfer(ZERO_ADDRESS, to, value, address);
}

/** Returns the log of a transfer of one of the master's tokens. */
export function nftTransfer(from: Hex, to: Hex, tokenId: bigint): LogSpec {
  return { address: MASTER, ...encodeEvent(EVENT_ABIS.Transfer721, { from, to, tokenId }) };
}

/** Returns a block with the logs of one to three random actions. */
export function busyBlock(random: Random): BlockSpec {
  const [a, b] = [random.pick(WALLETS), random.pick(WALLETS)];
  const tokenId = BigInt(random.below(40));
  const amount = random.amount(10n ** 18n);
  const actions: (() => LogSpec[])[] = [
    () => [erc20Mint(a, amount), erc20Transfer(a, b, amount / 3n)],
    () => [erc20Transfer(a, b, amount), erc20Transfer(b, a, amount / 2n), erc20Transfer(a, ZERO_ADDRESS, amount / 7n)],
    () => [
      { ...nftTransfer(ZERO_ADDRESS, a, tokenId), transaction: 1 },
      { address: MASTER, ...encodeEvent(EVENT_ABIS.Minted, { minter: a, tokenId, price: amount }), transaction: 1 },
    ],
    () => [nftTransfer(a, b, tokenId), nftTransfer(b, a, tokenId + 1n)],
    () => [nftTransfer(a, ZERO_ADDRESS, tokenId)],
    () => [
      {
        address: MASTER,
        ...encodeEvent(EVENT_ABIS.DefaultRoyaltySet, { receiver: a, feeNumerator: BigInt(random.below(900)) }),
      },
    ],
    () => [
      erc20Mint(a, amount, PAIR),
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
  const drawn = Array.from({ length: 1 + random.below(3) }, () => random.pick(actions)?.() ?? []);
  // Logs share a transaction only with logs of the same action.
  return {
    logs: drawn.flatMap((logs, at) =>
      logs.map((log) => (log.transaction === undefined ? log : { ...log, transaction: at })),
    ),
  };
}

/** Returns a source of busy blocks. The same seed yields the same blocks. */
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

/** Inserts the row of a contract, as the platform does, and returns its id. `token` is the id of a pool's artist token. */
export async function announce(
  db: Queryable,
  { artistId, masterId }: Artist,
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
    master: { master_id: masterId, chain_id, contract_address, deployed_at_block },
    dividend: { master_id: masterId, distribution_model: 'per_master', chain_id, contract_address, deployed_at_block },
    artist_token: {
      ...{ artist_id: artistId, chain_id, contract_address, deployed_at_block, name: '', symbol: '', total_supply: 0 },
    },
    pool: {
      ...{ artist_token_id: contract.token, chain_id, pool_address: contract_address, pool_type: 'uniswap_v2' },
      ...{ token0_address: TOKEN, token1_address: ZERO_ADDRESS, created_at_block: deployed_at_block },
    },
  };
  return insertRow(db, TABLES[contract.kind], kinds[contract.kind]);
}

/** Announces every contract of the platform on a chain. `block` is the deployment block of the contracts. */
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
