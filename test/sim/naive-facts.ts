import type { Hex } from '../../indexer/kernel/chain.ts';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { address, big, type EventName, readingOf } from './events.ts';
import type { Branch, SimBlock, SimLog } from './history.ts';
import type { SimContract } from './world.ts';

/** A log that one contract reads as a fact. */
export type Fact = {
  readonly contract: SimContract;
  readonly block: SimBlock;
  readonly log: SimLog;
  readonly event: EventName;
  /** block × 2³² + log index */
  readonly position: bigint;
};

/** A log that one contract's ABI names and that does not fit it. */
export type Misfit = { readonly contract: SimContract; readonly log: SimLog };

/** Which blocks of a contract a database claims to hold. */
export type Covers = (contract: SimContract, blockNumber: number) => boolean;

const TOKENS_MAX = 10_000n;

/** Everything that a branch says of the contracts in the blocks that are covered, in the order of the logs. */
export function readBranch(
  branch: Branch,
  contracts: readonly SimContract[],
  covers: Covers,
): { readonly facts: readonly Fact[]; readonly misfits: readonly Misfit[] } {
  const facts: Fact[] = [];
  const misfits: Misfit[] = [];
  for (const block of branch) {
    for (const log of block.logs) {
      for (const contract of contracts) {
        if (contract.address !== log.raw.address || !covers(contract, block.header.number)) continue;
        const reading = readingOf(log.body, contract.kind);
        if (reading === 'misfit') misfits.push({ contract, log });
        if (reading !== 'fact' || log.body.event === null) continue;
        const position = BigInt(log.raw.blockNumber) * 2n ** 32n + BigInt(log.raw.logIndex);
        facts.push({ contract, block, log, event: log.body.event, position });
      }
    }
  }
  return { facts, misfits };
}

/** Whether a block holds a batch of more tokens than are followed. */
export function quarantinesIn({ logs }: SimBlock, contract: SimContract): boolean {
  return logs.some(
    ({ body, raw }) =>
      raw.address === contract.address &&
      body.event === 'ConsecutiveTransfer' &&
      readingOf(body, contract.kind) === 'fact' &&
      big(body.args, 'toTokenId') - big(body.args, 'fromTokenId') + 1n > TOKENS_MAX,
  );
}

/** One token of a master changed hands. */
export type NftMove = Fact & {
  readonly tokenId: bigint;
  readonly from: Hex;
  readonly to: Hex;
  readonly type: 'mint' | 'transfer' | 'burn';
  readonly price: bigint | null;
};

/** The moves of tokens among some facts, a batch as one move per token, with the prices that `Minted` names. */
export function nftMoves(facts: readonly Fact[]): NftMove[] {
  const moves: NftMove[] = [];
  const prices = Map.groupBy(
    facts.filter(({ event }) => event === 'Minted'),
    (fact) => saleOf(fact, big(fact.log.body.args, 'tokenId')),
  );
  const mintsSeen = new Map<string, number>();
  for (const fact of facts) {
    for (const { tokenId, from, to } of movesOf(fact)) {
      const type =
        from === to ? 'transfer' : from === ZERO_ADDRESS ? 'mint' : to === ZERO_ADDRESS ? 'burn' : 'transfer';
      let price: bigint | null = null;
      if (type === 'mint') {
        const sale = saleOf(fact, tokenId);
        const place = mintsSeen.get(sale) ?? 0;
        mintsSeen.set(sale, place + 1);
        const known = prices.get(sale) ?? [];
        const paid = known[Math.min(place, known.length - 1)];
        price = paid === undefined ? null : big(paid.log.body.args, 'price');
      }
      moves.push({ ...fact, tokenId, from, to, type, price });
    }
  }
  return moves;
}

function movesOf({ event, log }: Fact): { tokenId: bigint; from: Hex; to: Hex }[] {
  const { args } = log.body;
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
  return `${log.transaction.hash} ${contract.address} ${tokenId}`;
}

/** Claims by the currency that paid them: the first exact payment in the transaction that no earlier claim took. */
export function claimCurrencies(facts: readonly Fact[]): ReadonlyMap<Fact, Hex> {
  const taken = new Set<SimLog>();
  const currencies = new Map<Fact, Hex>();
  for (const claim of facts) {
    if (claim.event !== 'DividendClaimed') continue;
    const { args } = claim.log.body;
    const payment = claim.block.logs.find(
      (log) =>
        log.transaction === claim.log.transaction &&
        !taken.has(log) &&
        log.body.event === 'Transfer20' &&
        log.body.flaw === null &&
        log.body.args.from === claim.contract.address &&
        log.body.args.to === args.holder &&
        log.body.args.value === args.amount,
    );
    if (payment !== undefined) taken.add(payment);
    currencies.set(claim, payment?.raw.address ?? ZERO_ADDRESS);
  }
  return currencies;
}
