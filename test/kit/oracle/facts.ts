import { type Hex, zeroAddress } from 'viem';
import {
  address,
  big,
  type ChainLog,
  type EventArguments,
  type EventName,
  type Kind,
  type LogReader,
} from './events.ts';

/** A followed contract, with the ids of the platform's rows about it; null where it has none. */
export type OracleContract = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: Kind;
  /** The id of the contract's own row. */
  readonly platformId: string | null;
  readonly masterId: string | null;
  /** The id of a pool's artist token. */
  readonly artistTokenId: string | null;
  /** The master contract that a dividend contract names. */
  readonly linkedMaster: Hex | null;
};

/** A block of the canonical chain with all its logs in order, including those of contracts that nobody follows. */
export type OracleBlock = {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly logs: readonly ChainLog[];
};

/** A log that one contract reads as an event. */
export type Fact = {
  readonly contract: OracleContract;
  readonly log: ChainLog;
  /** Unix seconds of its block. */
  readonly timestamp: number;
  readonly event: EventName;
  readonly args: EventArguments;
  /** block × 2³² + log index */
  readonly position: bigint;
};

/** A log that one contract's ABI names and that does not fit it. */
export type Misfit = { readonly contract: OracleContract; readonly log: ChainLog };

/** Returns what the logs of a block mean to some contracts, in the order of the logs. */
export function readBlock(
  reader: LogReader,
  block: OracleBlock,
  contractsAt: ReadonlyMap<Hex, readonly OracleContract[]>,
): { readonly facts: readonly Fact[]; readonly misfits: readonly Misfit[] } {
  const facts: Fact[] = [];
  const misfits: Misfit[] = [];
  for (const log of block.logs) {
    for (const contract of contractsAt.get(log.address) ?? []) {
      const reading = reader.read(log, contract.kind);
      if (reading === 'misfit') misfits.push({ contract, log });
      else if (reading !== 'nothing') {
        const position = BigInt(log.blockNumber) * 2n ** 32n + BigInt(log.logIndex);
        facts.push({ contract, log, timestamp: block.timestamp, position, ...reading });
      }
    }
  }
  return { facts, misfits };
}

/** One token of a master changed hands. */
export type NftMove = Fact & {
  readonly tokenId: bigint;
  readonly from: Hex;
  readonly to: Hex;
  readonly type: 'mint' | 'transfer' | 'burn';
  readonly price: bigint | null;
};

/** Returns the moves of tokens in one block, a batch as one move per token, with the prices that `Minted` states. */
export function nftMoves(facts: readonly Fact[]): NftMove[] {
  const prices = Map.groupBy(
    facts.filter(({ event }) => event === 'Minted'),
    (fact) => saleOf(fact, big(fact.args, 'tokenId')),
  );
  const mintsSeen = new Map<string, number>();
  const moves: NftMove[] = [];
  for (const fact of facts) {
    for (const { tokenId, from, to } of movesOf(fact)) {
      const type = from === to ? 'transfer' : from === zeroAddress ? 'mint' : to === zeroAddress ? 'burn' : 'transfer';
      let price: bigint | null = null;
      if (type === 'mint') {
        const sale = saleOf(fact, tokenId);
        const place = mintsSeen.get(sale) ?? 0;
        mintsSeen.set(sale, place + 1);
        const known = prices.get(sale) ?? [];
        const paid = known[Math.min(place, known.length - 1)];
        price = paid === undefined ? null : big(paid.args, 'price');
      }
      moves.push({ ...fact, tokenId, from, to, type, price });
    }
  }
  return moves;
}

function movesOf({ event, args }: Fact): { tokenId: bigint; from: Hex; to: Hex }[] {
  if (event === 'Transfer721') {
    return [{ tokenId: big(args, 'tokenId'), from: address(args, 'from'), to: address(args, 'to') }];
  }
  if (event !== 'ConsecutiveTransfer') return [];
  const moves: { tokenId: bigint; from: Hex; to: Hex }[] = [];
  for (let tokenId = big(args, 'fromTokenId'); tokenId <= big(args, 'toTokenId'); tokenId++) {
    moves.push({ tokenId, from: address(args, 'fromAddress'), to: address(args, 'toAddress') });
  }
  return moves;
}

function saleOf({ contract, log }: Fact, tokenId: bigint): string {
  return `${log.transactionHash} ${contract.address} ${tokenId}`;
}

/**
 * Returns the claims of one block with the currency that paid each: that of the first exact payment in the claim's transaction
 * which no earlier claim took, else the native coin.
 */
export function claimCurrencies(reader: LogReader, block: OracleBlock, facts: readonly Fact[]): ReadonlyMap<Fact, Hex> {
  const taken = new Set<ChainLog>();
  const currencies = new Map<Fact, Hex>();
  for (const claim of facts) {
    if (claim.event !== 'DividendClaimed') continue;
    const payment = block.logs.find((log) => {
      if (log.transactionHash !== claim.log.transactionHash || taken.has(log)) return false;
      const reading = reader.read(log, 'artist_token');
      return (
        typeof reading === 'object' &&
        reading.args.from === claim.contract.address &&
        reading.args.to === claim.args.holder &&
        reading.args.value === claim.args.amount
      );
    });
    if (payment !== undefined) taken.add(payment);
    currencies.set(claim, payment?.address ?? zeroAddress);
  }
  return currencies;
}

/** Returns whether a pool's own token moved. */
export function isLpTransfer({ contract, event }: Fact): boolean {
  return contract.kind === 'pool' && event === 'Transfer20';
}
