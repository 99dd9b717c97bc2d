import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, intersect, parseMultirange, subtract, toMultirange, union } from '../kernel/ranges.ts';

/** The key of a contract within its chain. */
export type ContractKey = { readonly address: Hex; readonly kind: ContractKind };

/** A contract whose logs were requested. */
export type RequestedContract = ContractKey & {
  /** The id of the platform's row that the facts refer to. */
  readonly platformId?: string;
  /** A text that names the ABI versions and events whose logs were requested. Null if this program does not know an ABI version. */
  readonly fingerprint: string | null;
};

/** Returns a contract's key as text. */
export function contractKey({ kind, address }: ContractKey): string {
  return `${kind} ${address}`;
}

/** The keys of a list of contracts, as a set and as one text. */
type ContractKeys = { readonly keys: ReadonlySet<string>; readonly text: string };

const keysOfLists = new WeakMap<readonly ContractKey[], ContractKeys>();

/** Returns the keys of a list of contracts. Caches them, because a fill needs them for each of its pieces. The list must not change. */
export function contractKeys(contracts: readonly ContractKey[]): ContractKeys {
  const known = keysOfLists.get(contracts);
  if (known !== undefined) return known;
  const keys = contracts.map(contractKey);
  const found = { keys: new Set(keys), text: keys.join() };
  keysOfLists.set(contracts, found);
  return found;
}

/** The columns of `indexer.contracts` that determine which blocks are covered. */
export type Coverage = {
  /** The block at which the contract was deployed. Null while it is unknown. */
  readonly deployedAtBlock: number | null;
  /** The blocks whose facts are all present, in addition to `[liveFrom, head]`. */
  readonly covered: readonly BlockRange[];
  /** The first block that the follower covers for the contract. Null while the follower does not cover the contract. */
  readonly liveFrom: number | null;
};

/**
 * Returns an SQL expression over a row of `indexer.contracts`: the blocks whose facts are all present, as an `int8multirange`.
 *
 * @param head the head of the chain, or null if the chain has none. If undefined, every block from `live_from` on counts as covered.
 */
export function coveredBlocks(head?: number | RawBuilder<unknown> | null): RawBuilder<string> {
  if (head === undefined) return sql`(covered + ${liveBlocks})`;
  return sql`(covered + ${blocksBetween(sql`live_from`, sql`${head}::bigint`)})`;
}

/** An SQL expression over a row of `indexer.contracts`: the blocks since `live_from`, as an `int8multirange`. Empty if it is null. */
export const liveBlocks = sql`case when live_from is null then '{}' else int8multirange(int8range(live_from, null)) end`;

/**
 * An SQL expression over rows of `indexer.contracts` and of `chainIn`: the proved blocks of a contract, as an `int8multirange`.
 * These are the blocks in `proved`, and since `live_from` the verified blocks of the chain. Verified blocks are proved for every contract
 * that the follower covers in them: the follower read them in full, or the prover proved them later.
 */
export const provedBlocks = sql`(contracts.proved + verified * ${liveBlocks})`;

/** Returns an SQL subquery: the head of a chain, and its verified blocks in a range, which are computed once and not for each contract. */
export function chainIn(chainId: number, { from, to }: BlockRange): RawBuilder<unknown> {
  return sql`(
    with chain as materialized (
      select chain_id, head_number, verified * ${blocksBetween(sql`${from}::bigint`, sql`${to}::bigint`)} as verified
      from indexer.chains where chain_id = ${chainId}
    )
    select * from chain)`;
}

/** Returns an SQL expression: the blocks from `from` to `to`, both included, as an `int8multirange`. Empty if `to` is null or lower. */
export function blocksBetween(from: RawBuilder<unknown>, to: RawBuilder<unknown>): RawBuilder<string> {
  return sql`case when ${from} <= ${to} then int8multirange(int8range(${from}, ${to}, '[]')) else '{}'::int8multirange end`;
}

/**
 * Returns an SQL expression over a row of `indexer.contracts`: the blocks up to `to` that are not covered, as an `int8multirange`. Blocks
 * before `from` or before the contract's deployment are left out.
 */
export function missingBlocks(
  to: number | RawBuilder<unknown>,
  from: number | RawBuilder<unknown> = 0,
): RawBuilder<string> {
  return sql`(${blocksBetween(firstBlockSince(sql`${from}::bigint`), sql`${to}::bigint`)} - ${coveredBlocks()})`;
}

/** Returns an SQL expression over a row of `indexer.contracts`: the later of `from` and the contract's deployment block. */
export function firstBlockSince(from: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`greatest(${from}, coalesce(deployed_at_block, 0))`;
}

/** Returns the blocks of a contract whose facts are all present. `coveredBlocks` is the same in SQL. */
export function coveredRanges(
  { covered, liveFrom }: Pick<Coverage, 'covered' | 'liveFrom'>,
  head = Number.MAX_SAFE_INTEGER,
): readonly BlockRange[] {
  return liveFrom === null || liveFrom > head ? covered : [...covered, { from: liveFrom, to: head }];
}

/** Returns the last block up to which a contract has no gap since its deployment. Null if its deployment block is not covered. */
export function completeTo(contract: Coverage, head: number | null): number | null {
  const first = contract.deployedAtBlock ?? 0;
  const whole = [{ from: first, to: Number.MAX_SAFE_INTEGER }];
  const missing = subtract(whole, coveredRanges(contract, head ?? -1))[0]?.from ?? Number.MAX_SAFE_INTEGER;
  return missing === first ? null : missing - 1;
}

/**
 * Contracts, and the blocks of a range that have the same property for each of them. The function that returns the slice says which:
 * the blocks are not covered, covered, or covered but not proved.
 */
export type Slice = { readonly contracts: readonly RequestedContract[]; readonly blocks: readonly BlockRange[] };

/** Returns the blocks of a range that are not covered. Leaves out quarantined contracts, and contracts that `coveredSlices` leaves out. */
export function missingSlices(
  tx: Transaction,
  chainId: number,
  contracts: readonly RequestedContract[],
  range: BlockRange,
): Promise<readonly Slice[]> {
  return slicesOf(tx, chainId, contracts, isActive, (coverage) => subtract([range], coveredRanges(coverage)));
}

/**
 * Returns the blocks of a range, at most up to the head, that are covered. Contracts with the same covered blocks form one slice.
 *
 * Includes active contracts, and contracts that a log quarantined, because their coverage stays and can still be compared with the chain.
 * Leaves out contracts that changed after their logs were requested: either the platform announced the contract again, so that facts
 * would refer to a deleted row, or other events of the contract are decoded now. Also leaves out contracts that are not prepared yet.
 */
export function coveredSlices(
  tx: Transaction,
  chainId: number,
  contracts: readonly RequestedContract[],
  range: BlockRange,
  head: number,
): Promise<readonly Slice[]> {
  return slicesOf(tx, chainId, contracts, mayBeQuarantined, (coverage) =>
    intersect(union(coveredRanges(coverage, head)), range),
  );
}

/** Returns the blocks of `coveredSlices` that are not proved: those whose facts were not compared with the headers of their blocks. */
export async function unprovedSlices(
  tx: Transaction,
  chainId: number,
  contracts: readonly RequestedContract[],
  range: BlockRange,
  head: number,
): Promise<readonly Slice[]> {
  const { rows } = await sql<{ verified: string }>`
    select verified::text from ${chainIn(chainId, range)} chain
  `.execute(tx);
  const verified = parseMultirange(rows[0]?.verified ?? '{}');
  return slicesOf(tx, chainId, contracts, mayBeQuarantined, (coverage) => {
    const { proved, liveFrom } = coverage;
    const followed = liveFrom === null ? [] : intersect(verified, { from: liveFrom, to: range.to });
    return subtract(intersect(union(coveredRanges(coverage, head)), range), union([...proved, ...followed]));
  });
}

const isActive = sql<boolean>`status = 'active'`;
/** The SQL condition for active contracts and those that a log quarantined. The coverage of the latter stays and can still be proved. */
const mayBeQuarantined = sql<boolean>`(status = 'active' or quarantined_at_block is not null)`;

type StoredCoverage = Pick<Coverage, 'covered' | 'liveFrom'> & { readonly proved: readonly BlockRange[] };

/** Returns the blocks that `blocksOf` computes from the coverage of each contract. Contracts with the same blocks form one slice. */
async function slicesOf(
  tx: Transaction,
  chainId: number,
  contracts: readonly RequestedContract[],
  hasStatus: RawBuilder<boolean>,
  blocksOf: (coverage: StoredCoverage) => readonly BlockRange[],
): Promise<readonly Slice[]> {
  const { rows } = await sql<{
    address: Hex;
    kind: ContractKind;
    covered: string;
    proved: string;
    live_from: string | null;
  }>`
    select address, kind, covered::text, proved::text, live_from
    from indexer.contracts
    join ${requestedRows(contracts)} as requested using (address, kind)
    where chain_id = ${chainId} and ${hasStatus} and prepared_at is not null
      and platform_id = coalesce(row_id, platform_id)
      and coalesce(contracts.fingerprint, requested.fingerprint) = requested.fingerprint
    order by address, kind
  `.execute(tx);
  const requested = new Map(contracts.map((contract) => [contractKey(contract), contract]));
  const groups = new Map<string, { contracts: RequestedContract[]; blocks: readonly BlockRange[] }>();
  for (const row of rows) {
    const liveFrom = row.live_from === null ? null : Number(row.live_from);
    const blocks = blocksOf({ covered: parseMultirange(row.covered), proved: parseMultirange(row.proved), liveFrom });
    const contract = requested.get(contractKey(row));
    if (blocks.length === 0 || contract === undefined) continue;
    const key = toMultirange(blocks);
    const group = groups.get(key) ?? { contracts: [], blocks };
    group.contracts.push(contract);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/**
 * Returns an SQL subquery with a row `(address, kind, row_id, fingerprint)` for each contract. Thousands of contracts share a few
 * fingerprints, so each distinct fingerprint is sent once.
 */
export function requestedRows(contracts: readonly RequestedContract[]): RawBuilder<unknown> {
  const fingerprints = [...new Set(contracts.map(({ fingerprint }) => fingerprint))];
  return sql`(
    select address, kind, row_id, (${fingerprints}::text[])[fingerprint_index] as fingerprint
    from unnest(${contracts.map(({ address }) => address)}::text[], ${contracts.map(({ kind }) => kind)}::text[],
      ${contracts.map(({ platformId }) => platformId ?? null)}::uuid[],
      ${contracts.map(({ fingerprint }) => fingerprints.indexOf(fingerprint) + 1)}::int[])
      as listed (address, kind, row_id, fingerprint_index))`;
}

/** The blocks of a contract that are not covered, from its deployment (0 if unknown) to a given block. */
export type Gap = ContractKey & {
  readonly gaps: readonly BlockRange[];
  /** Why the history is incomplete although it was complete before, or why the deployment block is unknown. Null in all other cases. */
  readonly note: string | null;
};

/** An SQL expression over a row of `indexer.contracts`: why the contract's deployment block is unknown. Null if it is known. */
const unknownDeployment = sql`case when deployed_at_block is null then coalesce(
  'deployment block unknown: ' || deployment_note || '; give the block with: indexer contracts add … --from-block N',
  case when identified_as is null then identity_note end,
  'deployment block not read yet; \`indexer start\` reads it') end`;

/** Returns the gaps up to `to` of every followed contract that has gaps. */
export async function coverageGaps(db: Kysely<DB>, chainId: number, to: number): Promise<readonly Gap[]> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; gaps: string; coverage_note: string | null }>`
    select address, kind, gaps::text, coverage_note from (
      select address, kind, coalesce(coverage_note, ${unknownDeployment}) as coverage_note, ${missingBlocks(to)} as gaps
      from indexer.contracts
      where chain_id = ${chainId} and status = 'active'
    ) active
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
 * Returns the highest block, at most the head, up to which no active contract of a chain has a gap. A contract whose deployment block is
 * unknown is ignored, because the beginning of its history is unknown too.
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
