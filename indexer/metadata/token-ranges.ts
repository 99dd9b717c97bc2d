/** Tokens with consecutive ids, both ends included. */
export type TokenRange = { readonly from: bigint; readonly to: bigint };

/** Maximum number of ranges of one contract of which no token was read yet. A contract can emit any number of `BatchMetadataUpdate`. */
export const TOKEN_RANGES_MAX = 100;

/**
 * Merges ranges that touch or overlap, and returns them in ascending order. If more than `TOKEN_RANGES_MAX` are left, returns one range
 * from the lowest to the highest token. The URIs of the tokens between the given ranges are then read although they were not updated.
 */
export function mergeRanges(ranges: readonly TokenRange[]): readonly TokenRange[] {
  const merged: TokenRange[] = [];
  for (const range of [...ranges].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))) {
    const last = merged.at(-1);
    if (last === undefined || range.from > last.to + 1n) merged.push(range);
    else if (range.to > last.to) merged[merged.length - 1] = { from: last.from, to: range.to };
  }
  const [first, last] = [merged[0], merged.at(-1)];
  if (merged.length <= TOKEN_RANGES_MAX || first === undefined || last === undefined) return merged;
  return [{ from: first.from, to: last.to }];
}
