import { type Counts, type ProviderUsage, totalOf } from './provider.ts';
import type { ProviderFillResult } from './provider-fill.ts';
import type { HeadResult } from './provider-head.ts';

/** The calls of the indexer to a provider, by part of the benchmark. */
export type ProviderResult = {
  readonly fills: readonly ProviderFillResult[];
  readonly heads: readonly HeadResult[];
  /** The fill of a long history with few events. */
  readonly sparse?: ProviderFillResult | undefined;
};

/** The figures of a fill are also printed as scaled to this many events, and those of a sparse history to this many blocks. */
const EVENTS = 500_000;
const SPARSE_BLOCKS = 2_000_000;
/** Calls at intervals, however many blocks there are: those with a block tag, `eth_chainId`, `eth_blockNumber` and `eth_call`. */
const AT_INTERVALS = /^eth_(?:chainId|blockNumber|call)$| (?:latest|safe|finalized)$/;

/** Returns the results as lines of text. */
export function providerLines({ fills, heads, sparse }: ProviderResult): string[] {
  const title = 'Provider, 80 ms away, 25 calls per second, ranges of at most 2,000 blocks or 10,000 logs';
  const dense = fills.flatMap((fill) =>
    fillLines(
      `fill ${fill.blockTimestamp ? 'with' : 'without'} blockTimestamp`,
      fill,
      EVENTS / fill.events,
      `per ${whole(EVENTS)}`,
    ),
  );
  const scale = SPARSE_BLOCKS / (sparse?.blocks ?? SPARSE_BLOCKS);
  const ofSparse = sparse && fillLines('sparse history', sparse, scale, `per ${whole(SPARSE_BLOCKS)}`);
  return ['', title, ...dense, ...heads.flatMap(headLines), ...(ofSparse ?? [])];
}

/** Describes the calls at the head. A poll that finds a block looks like a call at intervals, so one call per block is added. */
function headLines({ heads, contracts, blocks, seconds, calls, callsOfProof, ...usage }: HeadResult): string[] {
  const title = `head, ${heads}, ${whole(contracts)} contracts, ${blocks} blocks without their logs`;
  const ofBlocks = totalOf(only(calls, false)) / blocks + (heads === 'polled' ? 1 : 0);
  const line = (name: string, value: number, note: string) =>
    `  ${name.padEnd(58)}${value.toFixed(2).padStart(12)}  ${note}`;
  return [
    '',
    title,
    line('calls', ofBlocks, `per block, at most ${heads === 'polled' ? '3, the poll that found it included' : '2'}`),
    ...kinds(only(calls, false)).map(([kind, count]) => line(`  ${kind}`, count / blocks, 'per block')),
    ...kinds(only(calls, true)).map(([kind, count]) =>
      line(`at intervals: ${kind}`, (count * 60) / seconds, 'per minute'),
    ),
    line('requests, all together', usage.requests / blocks, 'per block'),
    line('compute units, all together', usage.computeUnits / blocks, 'per block'),
    ...kinds(only(callsOfProof, false)).map(([kind, count]) =>
      line(`once final: ${kind}`, count / blocks, 'per block'),
    ),
  ];
}

function only(calls: Counts['calls'], atIntervals: boolean): Counts['calls'] {
  return Object.fromEntries(Object.entries(calls).filter(([kind]) => AT_INTERVALS.test(kind) === atIntervals));
}

/** Returns the calls by kind, the most frequent first. */
function kinds(calls: Counts['calls']): [string, number][] {
  return Object.entries(calls).sort(([, a], [, b]) => b - a);
}

function fillLines(name: string, result: ProviderFillResult, scale: number, scaled: string): string[] {
  const { events, blocks, fill, proof } = result;
  const title = `${name}, ${whole(events)} events in ${whole(blocks)} blocks`;
  const lines = ['', `${title.padEnd(60)}${'measured'.padStart(12)}${scaled.padStart(14)}`, ...usageLines(fill, scale)];
  if (proof !== undefined) lines.push('proof behind it, without a limit of calls', ...usageLines(proof, scale));
  return lines;
}

/** Returns lines with the figures of a usage, and with these figures multiplied by `scale`. */
function usageLines(usage: ProviderUsage, scale: number): string[] {
  const line = (name: string, value: number, isScaled = true) =>
    `  ${name.padEnd(58)}${whole(value).padStart(12)}${(isScaled ? whole(value * scale) : '').padStart(14)}`.trimEnd();
  return [
    line('calls', usage.callsTotal),
    ...kinds(usage.calls).map(([kind, count]) => line(`  ${kind}`, count)),
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
