import type { RawLog, VerifiedRange } from '../kernel/chain.ts';
import type { ContractIndex } from './contract-index.ts';

/**
 * Shortens a range so that its logs become about `factsMax` facts at most. Keeps at least the first block with logs. Most logs become
 * one fact, but a log that names many tokens becomes many. A few such logs, which are cheap to emit, could otherwise exhaust the memory.
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
    if (facts > factsMax) return cutBefore(range, blockStart);
  }
  return range;
}

/**
 * Cuts a range before the block whose first log has the index `blockStart`: returns the range up to the last earlier block with logs. If
 * no earlier block has logs, returns the range up to that block, with its logs. The header of the last returned block is included only
 * if it was read.
 */
function cutBefore(range: VerifiedRange, blockStart: number): VerifiedRange {
  const { logs, headers } = range;
  const first = (logs[0] as RawLog).blockNumber;
  const to = blockStart === 0 ? first : (logs[blockStart - 1] as RawLog).blockNumber;
  if (to === logs.at(-1)?.blockNumber) return range;
  return {
    ...range,
    to,
    headers: headers.filter(({ number }) => number <= to),
    logs: logs.filter(({ blockNumber }) => blockNumber <= to),
    unconfirmedBlocks: range.unconfirmedBlocks?.filter((block) => block <= to) ?? [],
  };
}
