/** A stretch of blocks, both ends included. */
export type BlockRange = { readonly from: number; readonly to: number };

/** The ranges in order, with those that touch or overlap made one. */
export function union(ranges: readonly BlockRange[]): readonly BlockRange[] {
  const merged: { from: number; to: number }[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
    else merged.push({ ...range });
  }
  return merged;
}

/** What of `whole` lies in none of `parts`; in order, disjoint. */
export function subtract(whole: readonly BlockRange[], parts: readonly BlockRange[]): readonly BlockRange[] {
  const cuts = union(parts);
  const rest: BlockRange[] = [];
  for (const { from, to } of union(whole)) {
    let next = from;
    for (const cut of cuts) {
      if (cut.to < next) continue;
      if (cut.from > to) break;
      if (cut.from > next) rest.push({ from: next, to: cut.from - 1 });
      next = cut.to + 1;
    }
    if (next <= to) rest.push({ from: next, to });
  }
  return rest;
}

/** What of the ranges, which are in order and disjoint, lies in `within`. */
export function intersect(ranges: readonly BlockRange[], within: BlockRange): readonly BlockRange[] {
  return ranges
    .filter(({ from, to }) => from <= within.to && to >= within.from)
    .map(({ from, to }) => ({ from: Math.max(from, within.from), to: Math.min(to, within.to) }));
}

/** Whether a block lies in one of the ranges. */
export function contains(ranges: readonly BlockRange[], block: number): boolean {
  return ranges.some(({ from, to }) => from <= block && block <= to);
}

/** PostgreSQL's text of an `int8multirange`, half-open as PostgreSQL itself writes it. */
export function toMultirange(ranges: readonly BlockRange[]): string {
  return `{${ranges.map(({ from, to }) => `[${from},${to + 1})`).join(',')}}`;
}

/** Reads PostgreSQL's canonical text of an `int8multirange` whose ranges all have a lower bound. */
export function parseMultirange(text: string): readonly BlockRange[] {
  return [...text.matchAll(/\[(\d+),(\d*)\)/g)].map(([, from, to]) => ({
    from: Number(from),
    to: to === '' ? Number.MAX_SAFE_INTEGER : Number(to) - 1,
  }));
}
