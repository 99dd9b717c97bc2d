import { getAbiItem } from 'viem/utils';
import { dividendV1 } from '../../../abis/dividend.v1.ts';
import { dividendV2 } from '../../../abis/dividend.v2.ts';
import { dividendV3 } from '../../../abis/dividend.v3.ts';
import type { Decimal, Origin } from '../../facts/origin.ts';
import { type Hex, ZERO_ADDRESS } from '../../kernel/chain.ts';
import { administrativeDecoders } from '../shared/administration.ts';
import { type Decoder, eventDecoders, perRange, type Sink } from '../shared/decoder.ts';
import { decodeStrict } from '../shared/strict-event.ts';
import { dataUint, isStringAt } from '../shared/words.ts';
import { claimSettler } from './claim-settler.ts';
import { dividendClaims } from './dividend-claims.ts';
import { dividendEvents } from './dividend-events.ts';

const depositedEvent = getAbiItem({ abi: dividendV1, name: 'RevenueDeposited' });
const distributedEvent = getAbiItem({ abi: dividendV1, name: 'DividendsDistributed' });
const claimedEvent = getAbiItem({ abi: dividendV1, name: 'DividendClaimed' });
const ownerClaimedEvent = getAbiItem({ abi: dividendV2, name: 'DividendClaimed' });
const masterDepositedEvent = getAbiItem({ abi: dividendV3, name: 'DividendDeposited' });
const epochClaimedEvent = getAbiItem({ abi: dividendV3, name: 'DividendClaimed' });

const NO_CLAIM = { perTokenAmount: null, claimant: null, claimedTokenId: null };

const deposited: Decoder = (origin, sink) => {
  const args = decodeStrict(depositedEvent, origin.log);
  if (args === null) return false;
  addDeposit(origin, sink, args.amount, args.token);
  return true;
};

/** Decodes a deposit that names the source of the revenue. The source may be any bytes, so it is not read as text. */
const depositedFromSource: Decoder = (origin, sink) => {
  const { data } = origin.log;
  if (!isStringAt(data, 1, 3)) return false;
  addDeposit(origin, sink, dataUint(data, 0), ZERO_ADDRESS);
  return true;
};

const depositedForMaster: Decoder = (origin, sink) => {
  const args = decodeStrict(masterDepositedEvent, origin.log);
  if (args === null) return false;
  addDeposit(origin, sink, args.amount, ZERO_ADDRESS);
  return true;
};

const distributed: Decoder = (origin, sink) => {
  const args = decodeStrict(distributedEvent, origin.log);
  if (args === null) return false;
  const { amount, token, perTokenAmount } = args;
  sink.facts
    .of(dividendEvents)
    .push({ ...origin, ...NO_CLAIM, type: 'distribution', amount, currency: token, perTokenAmount });
  return true;
};

const claimed: Decoder = (origin, sink) => {
  const args = decodeStrict(claimedEvent, origin.log);
  if (args === null) return false;
  addClaim(origin, sink, args);
  return true;
};

const claimedByOwner: Decoder = (origin, sink) => {
  const args = decodeStrict(ownerClaimedEvent, origin.log);
  if (args === null) return false;
  addClaim(origin, sink, { ...args, holder: args.owner });
  return true;
};

const claimedForEpoch: Decoder = (origin, sink) => {
  const args = decodeStrict(epochClaimedEvent, origin.log);
  if (args === null) return false;
  addClaim(origin, sink, { ...args, tokenId: null });
  return true;
};

function addDeposit(origin: Origin, sink: Sink, amount: Decimal, currency: Hex): void {
  sink.facts.of(dividendEvents).push({ ...origin, ...NO_CLAIM, type: 'deposit', amount, currency });
}

type Claim = { readonly holder: Hex; readonly tokenId: Decimal | null; readonly amount: Decimal };

function addClaim(origin: Origin, sink: Sink, { holder, tokenId, amount }: Claim): void {
  const settlement = perRange(sink, claimSettler)(origin, holder, amount);
  sink.facts.of(dividendClaims).push({ ...origin, holder, tokenId, amount, ...settlement });
  sink.facts.of(dividendEvents).push({
    ...origin,
    type: 'claim',
    amount,
    currency: settlement.currency,
    perTokenAmount: null,
    claimant: holder,
    claimedTokenId: tokenId,
  });
}

const OPTIONS = { DividendClaimed: { needsReceipt: true } };

/** The decoders of a dividend contract's events, ABI version 1.0. */
export const dividendV1Events = eventDecoders(
  dividendV1,
  {
    RevenueDeposited: deposited,
    DividendsDistributed: distributed,
    DividendClaimed: claimed,
    ...administrativeDecoders,
  },
  OPTIONS,
);

/** The decoders of a dividend contract's events, ABI version 2.0. */
export const dividendV2Events = eventDecoders(
  dividendV2,
  {
    RevenueDeposited: depositedFromSource,
    DividendsDistributed: distributed,
    DividendClaimed: claimedByOwner,
    ...administrativeDecoders,
  },
  OPTIONS,
);

/** The decoders of a dividend contract's events, ABI version 3.0. */
export const dividendV3Events = eventDecoders(
  dividendV3,
  {
    DividendDeposited: depositedForMaster,
    DividendsDistributed: distributed,
    DividendClaimed: claimedForEpoch,
    ...administrativeDecoders,
  },
  OPTIONS,
);
