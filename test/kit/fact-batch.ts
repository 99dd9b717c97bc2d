import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { FactLists, Origin } from '../../indexer/protocols/shared/decoded-batch.ts';
import { addressOf, contractOf, hexOf, logOf } from './event-logs.ts';

/** The largest amount or token id. */
export const UINT256_MAX = `${2n ** 256n - 1n}`;
export const ALICE = addressOf(0xa);
const BOB = addressOf(0xb);
/** A batch without facts. */
export function emptyBatch(): FactLists {
  return {
    nftTransfers: [],
    tokenTransfers: [],
    poolEvents: [],
    dividendEvents: [],
    dividendClaims: [],
    contractEvents: [],
    deadLetters: [],
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

/** A batch with a fact of each kind, at the bounds of their columns. */
export function awkwardBatch(): FactLists {
  return {
    nftTransfers: [
      {
        ...origin('master'),
        tokenId: UINT256_MAX,
        from: ZERO_ADDRESS,
        to: ALICE,
        type: 'mint',
        salePrice: '5',
        saleCurrency: ZERO_ADDRESS,
      },
      {
        ...origin('master'),
        tokenId: '1',
        from: ALICE,
        to: BOB,
        type: 'transfer',
        salePrice: null,
        saleCurrency: null,
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
