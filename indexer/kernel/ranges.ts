/** A range of block numbers, both ends included. */
export type BlockRange = { readonly from: number; readonly to: number };

/** Returns the ranges in ascending order. Ranges that touch or overlap are merged. */
export function union(ranges: readonly BlockRange[]): readonly BlockRange[] {
  const merged: { from: number; to: number }[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
    else merged.push({ ...range });
  }
  return merged;
}

/** Returns the blocks of `whole` that are in none of `parts`, as disjoint ranges in ascending order. */
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

/** Returns the parts of `ranges` that are in `bounds`. `ranges` must be disjoint and in ascending order. */
export function intersect(ranges: readonly BlockRange[], bounds: BlockRange): readonly BlockRange[] {
  return ranges
    .filter(({ from, to }) => from <= bounds.to && to >= bounds.from)
    .map(({ from, to }) => ({ from: Math.max(from, bounds.from), to: Math.min(to, bounds.to) }));
}

/** Returns whether a block is in one of the ranges. */
export function contains(ranges: readonly BlockRange[], block: number): boolean {
  return ranges.some(({ from, to }) => from <= block && block <= to);
}

/** Returns the ranges as the text of an `int8multirange`, in PostgreSQL's canonical half-open form. */
export function toMultirange(ranges: readonly BlockRange[]): string {
  return `{${ranges.map(({ from, to }) => `[${from},${to + 1})`).join(',')}}`;
}

/** Parses PostgreSQL's canonical text of an `int8multirange`. Every range must have a lower bound. */
export function parseMultirange(text: string): readonly BlockRange[] {
  return [...text.matchAll(/\[(\d+),(\d*)\)/g)].map(([, from, to]) => ({
    from: Number(from),
    to: to === '' ? Number.MAX_SAFE_INTEGER : Number(to) - 1,
  }));
}
