import { getAbiItem } from 'viem';
import { expect, test } from 'vitest';
import { dividendV1 } from '../../abis/dividend.v1.ts';
import { erc20V1 } from '../../abis/erc20.v1.ts';
import type { Receipt } from '../../indexer/facts/origin.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange, receiptsNeeded } from '../../indexer/ingest/decode-range.ts';
import { type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { addressOf, blockHashOf, contractOf, encodeEvent, hexOf, logOf, rangeOf } from '../kit/event-logs.ts';
import { factsOf } from '../kit/fact-batch.ts';

const dividend = contractOf('dividend', 7);
const contracts = contractIndex([dividend, contractOf('artist_token', 8)]);
const ALICE = addressOf(0xa);
const BOB = addressOf(0xb);
const USDC = addressOf(0xc1);
const DAI = addressOf(0xc2);

const claimedEvent = getAbiItem({ abi: dividendV1, name: 'DividendClaimed' });
const depositedEvent = getAbiItem({ abi: dividendV1, name: 'RevenueDeposited' });
const transferEvent = getAbiItem({ abi: erc20V1, name: 'Transfer' });

function claim(holder: Hex, amount: bigint): RawLog {
  return logOf({ address: dividend.address, ...encodeEvent(claimedEvent, { holder, tokenId: 3n, amount }) });
}

function payment(token: Hex, to: Hex, value: bigint, from = dividend.address): RawLog {
  return logOf({ address: token, ...encodeEvent(transferEvent, { from, to, value }) });
}

/** Returns the currencies of the claims in one transaction with these logs. */
function currencies(logs: readonly RawLog[]): string[] {
  const indexed = logs.map((log, logIndex) => ({ ...log, logIndex }));
  const receipt: Receipt = { gasUsed: 50_000n, effectiveGasPrice: 9n, logs: indexed };
  const batch = factsOf(decodeRange(rangeOf(indexed), contracts, new Map([[hexOf(1, 64), receipt]])));
  expect(batch.dividendEvents.map((fact) => fact.currency)).toEqual(batch.dividendClaims.map((fact) => fact.currency));
  expect(batch.dividendClaims).toMatchObject(batch.dividendClaims.map(() => ({ gasUsed: '50000', gasPrice: '9' })));
  return batch.dividendClaims.map((fact) => fact.currency);
}

test('a claim without a token payment is in the native coin', () => {
  expect(currencies([claim(ALICE, 5n)])).toEqual([ZERO_ADDRESS]);
});

test('a payment before or after the claim determines its currency', () => {
  expect(currencies([payment(USDC, ALICE, 5n), claim(ALICE, 5n)])).toEqual([USDC]);
  expect(currencies([claim(ALICE, 5n), payment(USDC, ALICE, 5n)])).toEqual([USDC]);
});

test('only a payment of exactly the claimed amount, from the contract to the holder, counts', () => {
  const logs = [
    payment(USDC, ALICE, 4n),
    payment(USDC, BOB, 5n),
    payment(USDC, ALICE, 5n, BOB),
    { ...payment(USDC, ALICE, 5n), topics: payment(USDC, ALICE, 5n).topics.slice(0, 2) },
    { ...payment(USDC, ALICE, 5n), data: `${payment(USDC, ALICE, 5n).data}00` as Hex },
    claim(ALICE, 5n),
  ];
  expect(currencies(logs)).toEqual([ZERO_ADDRESS]);
});

test('each payment is matched to one claim of its transaction, in log order', () => {
  const claims = [claim(ALICE, 5n), claim(ALICE, 5n), claim(BOB, 5n), claim(ALICE, 5n)];
  expect(currencies([...claims, payment(USDC, ALICE, 5n), payment(DAI, ALICE, 5n)])).toEqual([
    USDC,
    DAI,
    ZERO_ADDRESS,
    ZERO_ADDRESS,
  ]);
});

test('one receipt is requested per transaction with a claim, and no other receipts', () => {
  const deposit = encodeEvent(depositedEvent, { amount: 1n, token: USDC, timestamp: 1n });
  const elsewhere = { transactionHash: hexOf(2, 64) };
  const logs = [
    logOf({ address: dividend.address, ...deposit, transactionHash: hexOf(3, 64) }),
    claim(ALICE, 5n),
    claim(BOB, 5n),
    { ...claim(BOB, 5n), ...elsewhere },
    { ...claim(BOB, 5n), address: addressOf(99), transactionHash: hexOf(4, 64) },
  ];
  expect(receiptsNeeded(rangeOf(logs), contracts)).toEqual([hexOf(1, 64), hexOf(2, 64)]);
});

test('a receipt that lacks the claim, belongs to another block or reports impossible gas is refused', () => {
  const log = claim(ALICE, 5n);
  const receipt: Receipt = { gasUsed: 1n, effectiveGasPrice: null, logs: [log] };
  const decode = (change: Partial<Receipt>) =>
    decodeRange(rangeOf([log]), contracts, new Map([[log.transactionHash, { ...receipt, ...change }]]));
  expect(factsOf(decode({})).dividendClaims).toMatchObject([{ gasPrice: null }]);
  expect(() => decode({ logs: [] })).toThrow(/receipt/);
  expect(() => decode({ logs: [{ ...log, blockHash: blockHashOf(101) }] })).toThrow(/receipt/);
  expect(() => decode({ gasUsed: 10n ** 20n })).toThrow(/receipt/);
  expect(() => decodeRange(rangeOf([log]), contracts, new Map())).toThrow(/without the receipt/);
});
