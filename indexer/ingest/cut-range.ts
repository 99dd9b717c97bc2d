import type { RawLog, VerifiedRange } from '../kernel/chain.ts';
import type { ContractIndex } from './contract-index.ts';

/**
 * Returns the beginning of a range whose logs become at most about `factsMax` facts, but at least its first block with logs. A log
 * is one fact, except for events that name many tokens: a few cheap ones would otherwise fill the memory.
 */
export function cutRange(
  range: VerifiedRange,
  { factsOf }: Pick<ContractIndex, 'factsOf'>,
  factsMax: number,
): VerifiedRange {
  let facts = 0;
  let blockStart = 0;
  for (const [index, log] of range.logs.entries()) {
    if (log.blockNumber !== range.logs[blockStart]?.blockNumber) blockStart = index;
    facts += factsOf.get(log.topics[0] ?? '0x')?.(log) ?? 1;
    if (facts > factsMax) return before(range, blockStart);
  }
  return range;
}

/** Returns the range up to the block before the one that the log at `blockStart` begins, or up to that one where it is the first. */
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
