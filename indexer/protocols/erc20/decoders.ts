import { erc20V1 } from '../../../abis/erc20.v1.ts';
import { administrativeDecoders } from '../shared/administration.ts';
import { type Decoder, eventDecoders } from '../shared/decoder.ts';
import { dataUint, topicAddress } from '../shared/words.ts';
import { tokenTransfers } from './token-transfers.ts';

const transfer: Decoder = ({ contract, log, timestamp }, sink) => {
  const from = topicAddress(log.topics[1]);
  const to = topicAddress(log.topics[2]);
  if (from === null || to === null) return false;
  sink.facts.of(tokenTransfers).push({ contract, log, timestamp, from, to, value: dataUint(log.data, 0) });
  return true;
};

/** The decoders of an artist token's events, ABI version 1.0. */
export const erc20V1Events = eventDecoders(erc20V1, { Transfer: transfer, ...administrativeDecoders });
