import type { ContractKey, Gap } from '../progress/coverage.ts';

/** One request's worth of missing history: a stretch of blocks and the contracts that lack all of it. */
export type Fill = {
  readonly from: number;
  readonly to: number;
  readonly strict: boolean;
  readonly contracts: readonly ContractKey[];
};

export type PlanLimits = {
  /** The newest final block; what lies above is read as the follower reads it. */
  readonly finalized: number;
  /** Blocks of one fill below finalized, and above. */
  readonly finalSpan: number;
  readonly strictSpan: number;
};

/**
 * The wish less coverage, as requests from the oldest block up; contracts that share a gap share a request. Lazy: a plan of any
 * length takes no memory.
 */
export function* planFills(gaps: readonly Gap[], { finalized, finalSpan, strictSpan }: PlanLimits): Generator<Fill> {
  const pieces = gaps.flatMap(({ address, kind, gaps: missing }) =>
    missing.map(({ from, to }) => ({ address, kind, from, to })),
  );
  pieces.sort((a, b) => a.from - b.from);
  let open: typeof pieces = [];
  let next = 0;
  let cursor = pieces[0]?.from ?? 0;
  while (open.length > 0 || next < pieces.length) {
    if (open.length === 0) cursor = Math.max(cursor, pieces[next]?.from ?? cursor);
    for (let piece = pieces[next]; piece !== undefined && piece.from <= cursor; piece = pieces[next]) {
      open.push(piece);
      next += 1;
    }
    const strict = cursor > finalized;
    let to = strict ? cursor + strictSpan - 1 : Math.min(cursor + finalSpan - 1, finalized);
    for (const piece of open) to = Math.min(to, piece.to);
    const upcoming = pieces[next];
    if (upcoming !== undefined) to = Math.min(to, upcoming.from - 1);
    yield { from: cursor, to, strict, contracts: open.map(({ address, kind }) => ({ address, kind })) };
    cursor = to + 1;
    open = open.filter((piece) => piece.to >= cursor);
  }
}
