import { getAbiItem } from 'viem/utils';
import { dividendV1 } from '../../../abis/dividend.v1.ts';
import { administrativeDecoders } from '../shared/administration.ts';
import { type Decoder, eventDecoders, perRange } from '../shared/decoder.ts';
import { decodeStrict } from '../shared/strict-event.ts';
import { claimSettler } from './claim-settler.ts';
import { dividendClaims } from './dividend-claims.ts';
import { dividendEvents } from './dividend-events.ts';

const depositedEvent = getAbiItem({ abi: dividendV1, name: 'RevenueDeposited' });
const distributedEvent = getAbiItem({ abi: dividendV1, name: 'DividendsDistributed' });
const claimedEvent = getAbiItem({ abi: dividendV1, name: 'DividendClaimed' });

const NO_CLAIM = { perTokenAmount: null, claimant: null, claimedTokenId: null };

const deposited: Decoder = (origin, sink) => {
  const args = decodeStrict(depositedEvent, origin.log);
  if (args === null) return false;
  sink.facts
    .of(dividendEvents)
    .push({ ...origin, ...NO_CLAIM, type: 'deposit', amount: args.amount, currency: args.token });
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
  const { holder, tokenId, amount } = args;
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
  return true;
};

/** The decoders of a dividend contract's events, ABI version 1.0. */
export const dividendV1Events = eventDecoders(
  dividendV1,
  {
    RevenueDeposited: deposited,
    DividendsDistributed: distributed,
    DividendClaimed: claimed,
    ...administrativeDecoders,
  },
  { DividendClaimed: { needsReceipt: true } },
);
