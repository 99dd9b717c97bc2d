import type { ProviderUsage } from './provider.ts';
import type { ProviderFillResult } from './provider-fill.ts';

/** What the indexer asked of a provider, by part. */
export type ProviderResult = {
  readonly fills: readonly ProviderFillResult[];
};

/** The figures of a fill are also printed for this many events. */
const EVENTS = 500_000;

/** Returns the results as lines of text. */
export function providerLines({ fills }: ProviderResult): string[] {
  return [
    '',
    'Provider, 80 ms away, 25 calls per second, ranges of at most 2,000 blocks or 10,000 logs',
    ...fills.flatMap(fillLines),
  ];
}

function fillLines({ blockTimestamp, events, blocks, fill, proof }: ProviderFillResult): string[] {
  const scale = EVENTS / events;
  const title = `fill ${blockTimestamp ? 'with' : 'without'} blockTimestamp, ${whole(events)} events in ${whole(blocks)} blocks`;
  const lines = [
    '',
    `${title.padEnd(60)}${'measured'.padStart(12)}${`per ${whole(EVENTS)}`.padStart(14)}`,
    ...usageLines(fill, scale),
  ];
  if (proof !== undefined) lines.push('proof behind it, without a limit of calls', ...usageLines(proof, scale));
  return lines;
}

/** Returns the figures of a usage, and the same times `scale`. */
function usageLines(usage: ProviderUsage, scale: number): string[] {
  const line = (name: string, value: number, isScaled = true) =>
    `  ${name.padEnd(58)}${whole(value).padStart(12)}${(isScaled ? whole(value * scale) : '').padStart(14)}`.trimEnd();
  const byKind = Object.entries(usage.calls).sort(([, a], [, b]) => b - a);
  return [
    line('calls', usage.callsTotal),
    ...byKind.map(([kind, count]) => line(`  ${kind}`, count)),
    line('HTTP requests', usage.requests),
    line('refused for too many calls per second', usage.refusals),
    line('  of these in the second half', usage.lateRefusals),
    line('ranges refused for too many blocks or logs', usage.refusedRanges),
    line('blocks in a range, median', usage.rangeBlocksMedian, false),
    line('blocks in a range, at most', usage.rangeBlocksMax, false),
    line('compute units', usage.computeUnits),
    line('seconds', usage.seconds),
  ];
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
