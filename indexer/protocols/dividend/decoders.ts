import { getAbiItem } from 'viem';
import { dividendV1 } from '../../../abis/dividend.v1.ts';
import { type Decoder, decoderSet } from '../shared/decoder.ts';
import { decodeStrict } from '../shared/strict-event.ts';

const depositedEvent = getAbiItem({ abi: dividendV1, name: 'RevenueDeposited' });
const distributedEvent = getAbiItem({ abi: dividendV1, name: 'DividendsDistributed' });
const claimedEvent = getAbiItem({ abi: dividendV1, name: 'DividendClaimed' });

const NO_CLAIM = { perTokenAmount: null, claimant: null, claimedTokenId: null };

const deposited: Decoder = (origin, sink) => {
  const args = decodeStrict(depositedEvent, origin.log);
  if (args === null) return false;
  sink.dividendEvents.push({ ...origin, ...NO_CLAIM, type: 'deposit', amount: args.amount, currency: args.token });
  return true;
};

const distributed: Decoder = (origin, sink) => {
  const args = decodeStrict(distributedEvent, origin.log);
  if (args === null) return false;
  const { amount, token, perTokenAmount } = args;
  sink.dividendEvents.push({ ...origin, ...NO_CLAIM, type: 'distribution', amount, currency: token, perTokenAmount });
  return true;
};

const claimed: Decoder = (origin, sink) => {
  const args = decodeStrict(claimedEvent, origin.log);
  if (args === null) return false;
  const { holder, tokenId, amount } = args;
  const settlement = sink.claims(origin, holder, amount);
  sink.dividendClaims.push({ ...origin, holder, tokenId, amount, ...settlement });
  sink.dividendEvents.push({
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

/** Events of a dividend contract, first version. */
export const dividendV1Decoders = decoderSet(
  dividendV1,
  { RevenueDeposited: deposited, DividendsDistributed: distributed, DividendClaimed: claimed },
  ['DividendClaimed'],
);
