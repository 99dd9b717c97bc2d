import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, parseMultirange, subtract, toMultirange } from '../kernel/ranges.ts';

/** A contract's key in the registry. */
export type ContractKey = { readonly address: Hex; readonly kind: ContractKind };

/** A contract whose logs were asked for. */
export type AskedContract = ContractKey & {
  /** The platform's row that its facts name. */
  readonly platformId?: string;
  /** The ABI versions and events that were asked for. Null where this program does not know the contract's ABI version. */
  readonly fingerprint: string | null;
};

/** Returns a contract's key as one text. */
export function keyOf({ kind, address }: ContractKey): string {
  return `${kind} ${address}`;
}

/** The columns of `indexer.contracts` that say which blocks are covered. */
export type Coverage = {
  /** The first block at which the contract has logs; null until found. */
  readonly deployedAtBlock: number | null;
  /** Blocks whose facts are all present, besides `[liveFrom, head]`. */
  readonly covered: readonly BlockRange[];
  /** From where the follower covers it; null while it does not. */
  readonly liveFrom: number | null;
};

/**
 * Returns SQL for the blocks of a row of `indexer.contracts` whose facts are all present: an `int8multirange`.
 *
 * @param head where the follower stands; left out, the row counts as covered from `live_from` on without an end
 */
export function coveredBlocks(head?: number | RawBuilder<unknown> | null): RawBuilder<string> {
  if (head === undefined)
    return sql`(covered + case when live_from is null then '{}' else int8multirange(int8range(live_from, null)) end)`;
  return sql`(covered + ${blocksBetween(sql`live_from`, sql`${head}::bigint`)})`;
}

/** Returns SQL for the blocks from one to another, both included: an `int8multirange`, empty where the end is missing or lower. */
export function blocksBetween(from: RawBuilder<unknown>, to: RawBuilder<unknown>): RawBuilder<string> {
  return sql`case when ${from} <= ${to} then int8multirange(int8range(${from}, ${to}, '[]')) else '{}'::int8multirange end`;
}

/** Returns SQL for the blocks of a row of `indexer.contracts` that are not covered, from its deployment (and `from`) to a block. */
export function missingBlocks(
  to: number | RawBuilder<unknown>,
  from: number | RawBuilder<unknown> = 0,
): RawBuilder<string> {
  return sql`(${blocksBetween(firstBlockSince(sql`${from}::bigint`), sql`${to}::bigint`)} - ${coveredBlocks()})`;
}

/** Returns SQL for a block, or the deployment of a row of `indexer.contracts` where that is later. */
export function firstBlockSince(from: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`greatest(${from}, coalesce(deployed_at_block, 0))`;
}

/** Returns the blocks whose facts are all present, as `coveredBlocks` does in SQL. */
export function coveredRanges(
  { covered, liveFrom }: Pick<Coverage, 'covered' | 'liveFrom'>,
  head = Number.MAX_SAFE_INTEGER,
): readonly BlockRange[] {
  return liveFrom === null || liveFrom > head ? covered : [...covered, { from: liveFrom, to: head }];
}

/** Returns the last block up to which a contract's facts are all present from its first block on; null where the first is missing. */
export function completeTo(contract: Coverage, head: number | null): number | null {
  const first = contract.deployedAtBlock ?? 0;
  const whole = [{ from: first, to: Number.MAX_SAFE_INTEGER }];
  const missing = subtract(whole, coveredRanges(contract, head ?? -1))[0]?.from ?? Number.MAX_SAFE_INTEGER;
  return missing === first ? null : missing - 1;
}

/** Contracts whose facts are missing in the same stretch, so that they are written together. */
export type Slice = { readonly contracts: readonly AskedContract[]; readonly missing: readonly BlockRange[] };

/**
 * Returns what coverage lacks of a range, grouped by contracts that lack the same blocks.
 *
 * Leaves out contracts that are not followed any more, and those for which the answer is of no use: the platform announced
 * them anew, so that their facts name a row that is gone, or their history is read with other events by now.
 */
export async function missingSlices(
  tx: Transaction,
  chainId: number,
  contracts: readonly AskedContract[],
  range: BlockRange,
): Promise<readonly Slice[]> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; covered: string; live_from: string | null }>`
    select address, kind, covered::text, live_from
    from indexer.contracts
    join ${askedRows(contracts)} as asked using (address, kind)
    where chain_id = ${chainId} and status = 'active' and prepared_at is not null
      and platform_id = coalesce(row_id, platform_id) and coalesce(contracts.fingerprint, asked.fingerprint) = asked.fingerprint
    order by address, kind
  `.execute(tx);
  const asked = new Map(contracts.map((contract) => [keyOf(contract), contract]));
  const groups = new Map<string, { contracts: AskedContract[]; missing: readonly BlockRange[] }>();
  for (const row of rows) {
    const liveFrom = row.live_from === null ? null : Number(row.live_from);
    const missing = subtract([range], coveredRanges({ covered: parseMultirange(row.covered), liveFrom }));
    const contract = asked.get(keyOf(row));
    if (missing.length === 0 || contract === undefined) continue;
    const key = toMultirange(missing);
    const group = groups.get(key) ?? { contracts: [], missing };
    group.contracts.push(contract);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Returns SQL for rows `(address, kind, row_id, fingerprint)`. Thousands of contracts share a few fingerprints, which are sent once. */
export function askedRows(contracts: readonly AskedContract[]): RawBuilder<unknown> {
  const fingerprints = [...new Set(contracts.map(({ fingerprint }) => fingerprint))];
  return sql`(
    select address, kind, row_id, (${fingerprints}::text[])[place] as fingerprint
    from unnest(${contracts.map(({ address }) => address)}::text[], ${contracts.map(({ kind }) => kind)}::text[],
      ${contracts.map(({ platformId }) => platformId ?? null)}::uuid[],
      ${contracts.map(({ fingerprint }) => fingerprints.indexOf(fingerprint) + 1)}::int[])
      as listed (address, kind, row_id, place))`;
}

/** The stretches of a contract that no commit has covered yet, from its deployment (or 0 where unknown) to a block. */
export type Gap = ContractKey & {
  readonly gaps: readonly BlockRange[];
  /** Why its history is incomplete although it was complete before; null where it never was. */
  readonly note: string | null;
};

/** Returns what is missing of every followed contract up to `to`. */
export async function coverageGaps(db: Kysely<DB>, chainId: number, to: number): Promise<readonly Gap[]> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; gaps: string; coverage_note: string | null }>`
    select address, kind, gaps::text, coverage_note from (
      select address, kind, coverage_note, ${missingBlocks(to)} as gaps
      from indexer.contracts
      where chain_id = ${chainId} and status = 'active'
    ) wanted
    where not isempty(gaps)
    order by address, kind
  `.execute(db);
  return rows.map(({ address, kind, gaps, coverage_note: note }) => ({
    address,
    kind,
    gaps: parseMultirange(gaps),
    note,
  }));
}

/**
 * Returns the highest block, at most the head, up to which no active contract of a chain has a gap. A contract whose deployment
 * block is unknown does not count: nobody knows yet where its history begins.
 */
export async function chainCompleteTo(db: Kysely<DB>, chainId: number, head: number): Promise<number> {
  const { rows } = await sql<{ block: string }>`
    select least(${head}::bigint, min(lower(gap)) - 1) as block from (
      select ${missingBlocks(head)} as gap from indexer.contracts
      where chain_id = ${chainId} and status = 'active' and deployed_at_block <= ${head}
        and (live_from <= deployed_at_block or covered @> int8range(deployed_at_block, live_from)) is not true
    ) incomplete
    where not isempty(gap)
  `.execute(db);
  return Number(rows[0]?.block ?? head);
}
