import { type DeadLetter, deadLetters } from '../../indexer/facts/dead-letters.ts';
import { type DecodedBatch, FactLists } from '../../indexer/facts/fact-lists.ts';
import type { Origin } from '../../indexer/facts/origin.ts';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { type DividendClaim, dividendClaims } from '../../indexer/protocols/dividend/dividend-claims.ts';
import { type DividendEvent, dividendEvents } from '../../indexer/protocols/dividend/dividend-events.ts';
import { type TokenTransfer, tokenTransfers } from '../../indexer/protocols/erc20/token-transfers.ts';
import { type NftTransfer, nftTransfers } from '../../indexer/protocols/erc721c/nft-transfers.ts';
import { type ContractEvent, contractEvents } from '../../indexer/protocols/shared/contract-events.ts';
import { type PoolEvent, poolEvents } from '../../indexer/protocols/shared/pool-events.ts';
import { addressOf, contractOf, hexOf, logOf } from './event-logs.ts';

/** The largest amount or token id. */
export const UINT256_MAX = `${2n ** 256n - 1n}`;
/** The address of a wallet. */
export const ALICE = addressOf(0xa);
const BOB = addressOf(0xb);

/** The facts of a batch by table. */
export type FactsByTable = {
  readonly nftTransfers: readonly NftTransfer[];
  readonly tokenTransfers: readonly TokenTransfer[];
  readonly poolEvents: readonly PoolEvent[];
  readonly dividendEvents: readonly DividendEvent[];
  readonly dividendClaims: readonly DividendClaim[];
  readonly contractEvents: readonly ContractEvent[];
  readonly deadLetters: readonly DeadLetter[];
};

/** Returns a batch of facts. Tables that are missing are empty. */
export function batchOf(lists: Partial<FactsByTable>): DecodedBatch {
  const facts = new FactLists();
  facts.of(nftTransfers).push(...(lists.nftTransfers ?? []));
  facts.of(tokenTransfers).push(...(lists.tokenTransfers ?? []));
  facts.of(poolEvents).push(...(lists.poolEvents ?? []));
  facts.of(dividendEvents).push(...(lists.dividendEvents ?? []));
  facts.of(dividendClaims).push(...(lists.dividendClaims ?? []));
  facts.of(contractEvents).push(...(lists.contractEvents ?? []));
  facts.of(deadLetters).push(...(lists.deadLetters ?? []));
  return { facts, quarantined: [] };
}

/** Returns the facts of a batch by table. */
export function factsOf({ facts }: Pick<DecodedBatch, 'facts'>): FactsByTable {
  return {
    nftTransfers: facts.of(nftTransfers),
    tokenTransfers: facts.of(tokenTransfers),
    poolEvents: facts.of(poolEvents),
    dividendEvents: facts.of(dividendEvents),
    dividendClaims: facts.of(dividendClaims),
    contractEvents: facts.of(contractEvents),
    deadLetters: facts.of(deadLetters),
  };
}

function origin(kind: Parameters<typeof contractOf>[0], topics: readonly Hex[] = []): Origin {
  const contract = contractOf(kind, 7);
  return {
    contract,
    log: logOf({ address: contract.address, topics, logIndex: 0xffffffe2 }),
    timestamp: 1_700_000_000,
  };
}

/** Returns facts for every table, with the extreme values of their columns. */
export function extremeFacts(): FactsByTable {
  return {
    nftTransfers: [
      {
        ...origin('master'),
        tokenId: UINT256_MAX,
        from: ZERO_ADDRESS,
        to: ALICE,
        type: 'mint',
        salePrice: '5',
      },
      {
        ...origin('master'),
        tokenId: '1',
        from: ALICE,
        to: BOB,
        type: 'transfer',
        salePrice: null,
      },
    ],
    tokenTransfers: [{ ...origin('artist_token'), from: ALICE, to: BOB, value: UINT256_MAX }],
    poolEvents: [
      { ...origin('pool'), type: 'swap', amount0: `-${UINT256_MAX}`, amount1: '5', sender: ALICE, recipient: null },
    ],
    dividendEvents: [
      {
        ...origin('dividend'),
        type: 'deposit',
        amount: '5',
        currency: BOB,
        perTokenAmount: null,
        claimant: null,
        claimedTokenId: null,
      },
    ],
    dividendClaims: [
      {
        ...origin('dividend'),
        holder: ALICE,
        tokenId: '3',
        amount: '5',
        currency: ZERO_ADDRESS,
        gasUsed: '21000',
        gasPrice: null,
      },
    ],
    contractEvents: [{ ...origin('pool'), event: 'Sync', arguments: { reserve0: '1', name: 'a\\"\n\t\0\ud800é' } }],
    deadLetters: [{ ...origin('pool', [hexOf(1, 64), hexOf(2, 64)]), reason: 'no\tfit' }],
  };
}
