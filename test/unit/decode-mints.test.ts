import { getAbiItem } from 'viem';
import { expect, test } from 'vitest';
import { erc721cV1 } from '../../abis/erc721c.v1.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { type Contract, type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { CONSECUTIVE_TRANSFER_TOKENS_MAX } from '../../indexer/protocols/erc721c/decoders.ts';
import { nftTransfers } from '../../indexer/protocols/erc721c/nft-transfers.ts';
import { addressOf, contractOf, encodeEvent, hexOf, logOf, rangeOf } from '../kit/event-logs.ts';
import { factsOf } from '../kit/fact-batch.ts';

const master = contractOf('master', 7);
const ALICE = addressOf(0xa);
const BOB = addressOf(0xb);

const transferEvent = getAbiItem({ abi: erc721cV1, name: 'Transfer' });
const mintedEvent = getAbiItem({ abi: erc721cV1, name: 'Minted' });
const consecutiveEvent = getAbiItem({ abi: erc721cV1, name: 'ConsecutiveTransfer' });

type Place = { readonly contract?: Contract; readonly blockNumber?: number; readonly transactionHash?: Hex };

function transfer(from: Hex, to: Hex, tokenId: bigint, place: Place = {}): RawLog {
  return placed(place, encodeEvent(transferEvent, { from, to, tokenId }));
}

function minted(tokenId: bigint, price: bigint, place: Place = {}): RawLog {
  return placed(place, encodeEvent(mintedEvent, { minter: ALICE, tokenId, price }));
}

function consecutive(fromTokenId: bigint, toTokenId: bigint, place: Place = {}, fromAddress = ZERO_ADDRESS): RawLog {
  const args = { fromTokenId, toTokenId, fromAddress, toAddress: ALICE };
  return placed(place, encodeEvent(consecutiveEvent, args));
}

function placed({ contract = master, ...place }: Place, encoded: Pick<RawLog, 'topics' | 'data'>): RawLog {
  return logOf({ address: contract.address, ...encoded, ...place });
}

/** Returns the token, price and currency of each row of transfers, and its type and parties. */
function rowsOf(transfers: ReturnType<typeof decode>['nftTransfers']) {
  const columns = Object.keys(nftTransfers.columns);
  return [...nftTransfers.lines(transfers)].map((line) => {
    const values = line.split('\t');
    const value = (column: string) => values[columns.indexOf(column)];
    return {
      ...{ token: value('token_id'), price: value('sale_price_wei'), currency: value('sale_currency') },
      ...{ type: value('transfer_type'), from: value('from_wallet'), to: value('to_wallet') },
    };
  });
}

function decode(logs: readonly RawLog[], contracts: readonly Contract[] = [master]) {
  const indexed = logs.map((log, logIndex) => ({ ...log, logIndex }));
  const batch = decodeRange(rangeOf(indexed), contractIndex(contracts), new Map());
  return { ...factsOf(batch), quarantined: batch.quarantined };
}

test('a transfer from zero is a mint, to zero a burn, and between zero and zero a plain transfer', () => {
  const logs = [
    transfer(ZERO_ADDRESS, ALICE, 1n),
    transfer(ALICE, BOB, 1n),
    transfer(BOB, BOB, 1n),
    transfer(BOB, ZERO_ADDRESS, 1n),
    transfer(ZERO_ADDRESS, ZERO_ADDRESS, 2n),
  ];
  const types = decode(logs).nftTransfers.map((fact) => fact.type);
  expect(types).toEqual(['mint', 'transfer', 'transfer', 'burn', 'transfer']);
});

test('a mint takes its price from the Minted event of the same contract, transaction and token', () => {
  const other = contractOf('master', 8);
  const otherTransaction = { transactionHash: hexOf(2, 64) };
  const logs = [
    transfer(ZERO_ADDRESS, ALICE, 1n),
    minted(1n, 500n),
    minted(2n, 0n),
    transfer(ZERO_ADDRESS, ALICE, 2n),
    transfer(ZERO_ADDRESS, ALICE, 3n),
    minted(3n, 999n, otherTransaction),
    minted(3n, 999n, { contract: other }),
    transfer(ALICE, BOB, 2n),
    consecutive(10n, 11n),
    minted(11n, 70n),
  ];
  const batch = decode(logs, [master, other]);
  const prices = rowsOf(batch.nftTransfers).map(({ token, price, currency }) => [token, price, currency]);
  expect(prices).toEqual([
    ['1', '500', ZERO_ADDRESS],
    ['2', '0', ZERO_ADDRESS],
    ['3', '\\N', '\\N'],
    ['2', '\\N', '\\N'],
    ['10', '\\N', '\\N'],
    ['11', '70', ZERO_ADDRESS],
  ]);
  expect(batch.contractEvents.map((fact) => fact.event)).toEqual(Array(5).fill('Minted'));
});

test('a token minted twice in one transaction gets each price once, in log order', () => {
  const mintAndBurn = [transfer(ZERO_ADDRESS, ALICE, 1n), minted(1n, 5n), transfer(ALICE, ZERO_ADDRESS, 1n)];
  const batch = decode([...mintAndBurn, transfer(ZERO_ADDRESS, BOB, 1n), minted(1n, 6n)]);
  expect(batch.nftTransfers.map((fact) => fact.salePrice)).toEqual(['5', null, '6']);
});

test('a batch takes the price of each of its tokens, whether it has more tokens than there are prices or fewer', () => {
  const batch = decode([
    ...[7n, 8n, 20n, 21n, 22n, 23n].map((tokenId) => minted(tokenId, tokenId * 10n)),
    consecutive(7n, 8n),
    consecutive(15n, 30n),
  ]);
  const prices = rowsOf(batch.nftTransfers).filter(({ price }) => price !== '\\N');
  expect(prices.map(({ token, price }) => [token, price])).toEqual(
    ['7', '8', '20', '21', '22', '23'].map((token) => [token, `${token}0`]),
  );
});

test('a ConsecutiveTransfer becomes one row per token, up to token id 2^256 - 1', () => {
  const last = 2n ** 256n - 1n;
  const batch = decode([consecutive(last - 2n, last)]);
  const rows = rowsOf(batch.nftTransfers);
  expect(rows.map(({ token }) => token)).toEqual([`${last - 2n}`, `${last - 1n}`, `${last}`]);
  expect(rows).toMatchObject(Array(3).fill({ type: 'mint', from: ZERO_ADDRESS, to: ALICE }));
  const moved = rowsOf(decode([consecutive(1n, 2n, {}, BOB)]).nftTransfers);
  expect(moved).toMatchObject(Array(2).fill({ type: 'transfer', from: BOB, to: ALICE }));
});

test('a ConsecutiveTransfer that ends before it begins is a dead letter', () => {
  const batch = decode([consecutive(2n, 1n)]);
  expect(batch.nftTransfers).toEqual([]);
  expect(batch.deadLetters).toMatchObject([{ reason: expect.stringMatching(/^ConsecutiveTransfer: /) as string }]);
});

test('a batch of the maximum size is indexed, and one token more quarantines only its contract, whose later logs are not decoded', () => {
  const max = BigInt(CONSECUTIVE_TRANSFER_TOKENS_MAX);
  expect(decode([consecutive(1n, max)]).nftTransfers).toMatchObject([{ tokens: CONSECUTIVE_TRANSFER_TOKENS_MAX }]);

  const other = contractOf('master', 8);
  const logs = [
    transfer(ZERO_ADDRESS, ALICE, 1n, { blockNumber: 99 }),
    transfer(ZERO_ADDRESS, ALICE, 2n),
    minted(2n, 5n),
    transfer(ZERO_ADDRESS, ALICE, 1n, { contract: other }),
    consecutive(1n, max + 1n),
    { ...transfer(ZERO_ADDRESS, ALICE, 3n), data: '0x00' as Hex },
    transfer(ALICE, BOB, 1n, { blockNumber: 101 }),
    consecutive(0n, 2n ** 256n - 1n, { blockNumber: 101 }),
    transfer(ALICE, BOB, 1n, { contract: other, blockNumber: 101 }),
  ];
  const batch = decode(logs, [master, other]);
  expect(batch.quarantined).toEqual([
    { contract: master, blockNumber: 100, reason: expect.stringContaining('1000001 tokens') as string },
  ]);
  const places = batch.nftTransfers.map((fact) => [fact.contract, fact.log.blockNumber]);
  expect(places).toEqual([
    [master, 99],
    [master, 100],
    [other, 100],
    [other, 101],
  ]);
  expect(batch.contractEvents).toHaveLength(1);
  expect(batch.deadLetters).toEqual([]);
});

test('the tokens of all ConsecutiveTransfers in a block are bounded per contract', () => {
  const half = BigInt(CONSECUTIVE_TRANSFER_TOKENS_MAX / 2);
  const full = (blockNumber: number) => [
    consecutive(1n, half, { blockNumber }),
    consecutive(half + 1n, 2n * half, { blockNumber }),
  ];
  expect(decode([...full(99), ...full(100)]).quarantined).toEqual([]);
  const batch = decode([...full(99), ...full(100), consecutive(1n, 1n)]);
  expect(batch.nftTransfers).toHaveLength(4);
  expect(batch.quarantined).toMatchObject([{ contract: master, blockNumber: 100 }]);
});
