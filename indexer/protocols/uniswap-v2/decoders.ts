import { getAbiItem } from 'viem/utils';
import { uniswapV2PairV1 } from '../../../abis/uniswap-v2-pair.v1.ts';
import { contractEvents } from '../shared/contract-events.ts';
import { type Decoder, eventDecoders } from '../shared/decoder.ts';
import { poolEvents } from '../shared/pool-events.ts';
import { decodeStrict } from '../shared/strict-event.ts';
import { dataDifference, dataUint, dataUint112, topicAddress } from '../shared/words.ts';

const mintEvent = getAbiItem({ abi: uniswapV2PairV1, name: 'Mint' });
const burnEvent = getAbiItem({ abi: uniswapV2PairV1, name: 'Burn' });

const transfer: Decoder = ({ contract, log, timestamp }, sink) => {
  const from = topicAddress(log.topics[1]);
  const to = topicAddress(log.topics[2]);
  if (from === null || to === null) return false;
  const value = dataUint(log.data, 0);
  sink.facts.of(contractEvents).push({ contract, log, timestamp, event: 'Transfer', arguments: { from, to, value } });
  return true;
};

const sync: Decoder = ({ contract, log, timestamp }, sink) => {
  const reserve0 = dataUint112(log.data, 0);
  const reserve1 = dataUint112(log.data, 1);
  if (reserve0 === null || reserve1 === null) return false;
  sink.facts.of(contractEvents).push({ contract, log, timestamp, event: 'Sync', arguments: { reserve0, reserve1 } });
  return true;
};

/** Amounts are signed as in Uniswap V3: the amount that flows into the pool minus the amount that flows out. */
const swap: Decoder = ({ contract, log, timestamp }, sink) => {
  const sender = topicAddress(log.topics[1]);
  const recipient = topicAddress(log.topics[2]);
  if (sender === null || recipient === null) return false;
  const amount0 = dataDifference(log.data, 0, 2);
  const amount1 = dataDifference(log.data, 1, 3);
  sink.facts.of(poolEvents).push({ contract, log, timestamp, type: 'swap', amount0, amount1, sender, recipient });
  return true;
};

const mint: Decoder = (origin, sink) => {
  const args = decodeStrict(mintEvent, origin.log);
  if (args === null) return false;
  sink.facts.of(poolEvents).push({ ...origin, type: 'add_liquidity', ...args, recipient: null });
  return true;
};

const burn: Decoder = (origin, sink) => {
  const args = decodeStrict(burnEvent, origin.log);
  if (args === null) return false;
  const { sender, amount0, amount1, to } = args;
  sink.facts.of(poolEvents).push({ ...origin, type: 'remove_liquidity', amount0, amount1, sender, recipient: to });
  return true;
};

/** The decoders of the events of a Uniswap V2 pair or a fork of it, ABI version 1.0. */
export const uniswapV2PairV1Events = eventDecoders(uniswapV2PairV1, {
  Transfer: transfer,
  Sync: sync,
  Swap: swap,
  Mint: mint,
  Burn: burn,
});
