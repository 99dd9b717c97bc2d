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
  let blockStart = 0;
  for (const [index, log] of range.logs.entries()) {
    if (log.blockNumber !== range.logs[blockStart]?.blockNumber) blockStart = index;
    facts += log.topics[0] === CONSECUTIVE_TRANSFER ? tokensOf(log) : 1;
    if (facts > factsMax) return before(range, blockStart);
  }
  return range;
}

/** The range up to the block before the one that the log at `blockStart` begins; where that is the first, up to itself. */
function before(range: VerifiedRange, blockStart: number): VerifiedRange {
  const { logs, headers } = range;
  const first = (logs[0] as RawLog).blockNumber;
  const to = blockStart === 0 ? first : (logs[blockStart - 1] as RawLog).blockNumber;
  if (to === logs.at(-1)?.blockNumber) return range;
  return {
    ...range,
    to,
    headers: headers.filter(({ number }) => number <= to),
    logs: logs.filter(({ blockNumber }) => blockNumber <= to),
  };
}

function tokensOf({ topics, data }: RawLog): number {
  if (data.length !== 66 || topics[1] === undefined) return 1;
  const tokens = BigInt(data) - BigInt(topics[1]) + 1n;
  return tokens < 1n || tokens > 1_000_000n ? 1 : Number(tokens);
}
