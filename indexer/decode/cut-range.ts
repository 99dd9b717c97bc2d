import { toEventSelector } from 'viem';
import { erc721cV1 } from '../../abis/erc721c.v1.ts';
import type { RawLog, VerifiedRange } from '../kernel/chain.ts';

const CONSECUTIVE_TRANSFER = toEventSelector(
  erc721cV1.filter((item) => item.type === 'event').find(({ name }) => name === 'ConsecutiveTransfer') ?? '',
);

/**
 * The beginning of a range whose logs become at most about so many facts, but at least its first block with logs. A log is one
 * fact, except EIP-2309's, which is one for each token: a few cheap ones would otherwise fill the memory.
 */
export function cutRange(range: VerifiedRange, factsMax: number): VerifiedRange {
  let facts = 0;
  let block = -1;
  let end = 0;
  for (let next = 0; next < range.logs.length; next += 1) {
    const log = range.logs[next] as RawLog;
    if (log.blockNumber !== block) {
      if (facts > factsMax) break;
      block = log.blockNumber;
      end = next;
    }
    facts += log.topics[0] === CONSECUTIVE_TRANSFER ? tokensOf(log) : 1;
  }
  if (facts <= factsMax || end === 0) return range;
  // The block that passed the bound begins at `end`; it and what follows is left for another range.
  const to = (range.logs[end - 1] as RawLog).blockNumber;
  return {
    ...range,
    to,
    headers: range.headers.filter(({ number }) => number <= to),
    logs: range.logs.slice(0, end),
  };
}

function tokensOf({ topics, data }: RawLog): number {
  if (data.length !== 66 || topics[1] === undefined) return 1;
  const tokens = BigInt(data) - BigInt(topics[1]) + 1n;
  return tokens < 1n || tokens > 1_000_000n ? 1 : Number(tokens);
}
