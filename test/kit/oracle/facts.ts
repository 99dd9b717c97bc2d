import { type Hex, zeroAddress } from 'viem';
import {
  addressOf,
  CLAIM_EVENTS,
  claimantOf,
  type EventArguments,
  type EventName,
  type Kind,
  type LogDecoder,
  numberOf,
  type OracleLog,
} from './events.ts';

/** A followed contract and the ids in the platform's rows about it. An id is null if there is no such row. */
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
  /** The artist of a master contract's master, or of a dividend contract. */
  readonly artistId?: string | null;
  /** `per_master` (default), `per_artist` or `platform`: whose tokens a dividend contract pays if it names no master contract. */
  readonly model?: string;
  /** Master contracts that an operator linked to a dividend contract (true), or unlinked (false). */
  readonly commanded?: ReadonlyMap<string, boolean>;
  /** Default: the first version. */
  readonly abiVersion?: string;
};

/** A canonical block with all its logs in order, including those of contracts that are not followed. */
export type OracleBlock = {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly logs: readonly OracleLog[];
};

/** A log that was decoded as an event of a contract. */
export type Fact = {
  readonly contract: OracleContract;
  readonly log: OracleLog;
  /** Unix seconds of its block. */
  readonly timestamp: number;
  readonly event: EventName;
  readonly args: EventArguments;
  /** block × 2³² + log index */
  readonly position: bigint;
};

/** A log whose topic 0 is in the contract's ABI, but which does not fit the ABI. */
export type Misfit = { readonly contract: OracleContract; readonly log: OracleLog };

/** Decodes the logs of a block for the contracts at their addresses. Facts and misfits are in the order of the logs. */
export function decodeBlock(
  decoder: LogDecoder,
  block: OracleBlock,
  contractsAt: ReadonlyMap<Hex, readonly OracleContract[]>,
): { readonly facts: readonly Fact[]; readonly misfits: readonly Misfit[] } {
  const facts: Fact[] = [];
  const misfits: Misfit[] = [];
  for (const log of block.logs) {
    for (const contract of contractsAt.get(log.address) ?? []) {
      const decoded = decoder.decode(log, contract.kind, contract.abiVersion);
      if (decoded === 'misfit') misfits.push({ contract, log });
      else if (decoded !== 'unknown') {
        const position = BigInt(log.blockNumber) * 2n ** 32n + BigInt(log.logIndex);
        facts.push({ contract, log, timestamp: block.timestamp, position, ...decoded });
      }
    }
  }
  return { facts, misfits };
}

/** The transfer of one token of a master. */
export type NftTransfer = Fact & {
  readonly tokenId: bigint;
  readonly from: Hex;
  readonly to: Hex;
  readonly type: 'mint' | 'transfer' | 'burn';
  readonly price: bigint | null;
};

/** Returns the transfers of tokens in one block, with the prices that `Minted` states. A batch is one transfer per token. */
export function nftTransfers(facts: readonly Fact[]): NftTransfer[] {
  const prices = Map.groupBy(
    facts.filter(({ event }) => event === 'Minted'),
    (fact) => saleKey(fact, numberOf(fact.args, 'tokenId')),
  );
  const mintsSeen = new Map<string, number>();
  const transfers: NftTransfer[] = [];
  for (const fact of facts) {
    for (const { tokenId, from, to } of transfersOf(fact)) {
      const type = from === to ? 'transfer' : from === zeroAddress ? 'mint' : to === zeroAddress ? 'burn' : 'transfer';
      let price: bigint | null = null;
      if (type === 'mint') {
        const sale = saleKey(fact, tokenId);
        const earlierMints = mintsSeen.get(sale) ?? 0;
        mintsSeen.set(sale, earlierMints + 1);
        const sales = prices.get(sale) ?? [];
        const minted = sales[Math.min(earlierMints, sales.length - 1)];
        price = minted === undefined ? null : numberOf(minted.args, 'price');
      }
      transfers.push({ ...fact, tokenId, from, to, type, price });
    }
  }
  return transfers;
}

function transfersOf({ event, args }: Fact): { tokenId: bigint; from: Hex; to: Hex }[] {
  if (event === 'Transfer721') {
    return [{ tokenId: numberOf(args, 'tokenId'), from: addressOf(args, 'from'), to: addressOf(args, 'to') }];
  }
  if (event !== 'ConsecutiveTransfer') return [];
  const transfers: { tokenId: bigint; from: Hex; to: Hex }[] = [];
  for (let tokenId = numberOf(args, 'fromTokenId'); tokenId <= numberOf(args, 'toTokenId'); tokenId++) {
    transfers.push({ tokenId, from: addressOf(args, 'fromAddress'), to: addressOf(args, 'toAddress') });
  }
  return transfers;
}

function saleKey({ contract, log }: Fact, tokenId: bigint): string {
  return `${log.transactionHash} ${contract.address} ${tokenId}`;
}

/**
 * Returns the currency of each claim of a block. It is the token of the first payment in the claim's transaction that has the exact
 * amount and recipient and belongs to no earlier claim. Without such a payment it is the native coin.
 */
export function claimCurrencies(
  decoder: LogDecoder,
  block: OracleBlock,
  facts: readonly Fact[],
): ReadonlyMap<Fact, Hex> {
  const assigned = new Set<OracleLog>();
  const currencies = new Map<Fact, Hex>();
  for (const claim of facts) {
    if (!CLAIM_EVENTS.includes(claim.event)) continue;
    const payment = block.logs.find((log) => {
      if (log.transactionHash !== claim.log.transactionHash || assigned.has(log)) return false;
      const decoded = decoder.decode(log, 'artist_token');
      return (
        typeof decoded === 'object' &&
        decoded.args.from === claim.contract.address &&
        decoded.args.to === claimantOf(claim.args) &&
        decoded.args.value === claim.args.amount
      );
    });
    if (payment !== undefined) assigned.add(payment);
    currencies.set(claim, payment?.address ?? zeroAddress);
  }
  return currencies;
}

/** Returns whether a fact is a transfer of a pool's own token. */
export function isLpTransfer({ contract, event }: Fact): boolean {
  return contract.kind === 'pool' && event === 'Transfer20';
}
