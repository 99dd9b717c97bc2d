import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, parseMultirange, subtract, toMultirange } from '../kernel/ranges.ts';

/** A contract's key in the registry. */
export type ContractKey = { readonly address: Hex; readonly kind: ContractKind };

/** A contract as it was read, and the platform's row that its facts name. */
export type ReadContract = ContractKey & { readonly platformId?: string };

/** A contract's key as one text. */
export function keyOf({ kind, address }: ContractKey): string {
  return `${kind} ${address}`;
}

/** Contracts whose facts are missing in the same stretch, so that they are written together. */
export type Slice = { readonly contracts: readonly ContractKey[]; readonly missing: readonly BlockRange[] };

/**
 * What a range still lacks, grouped by contracts that lack the same: the wish less what is covered, and without contracts
 * that are not followed any more, or were announced anew: the facts that were read of these name a row that is gone.
 */
export async function missingSlices(
  tx: Transaction,
  chainId: number,
  contracts: readonly ReadContract[],
  range: BlockRange,
): Promise<readonly Slice[]> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; covered: string; live_from: string | null }>`
    select address, kind, covered::text, live_from
    from indexer.contracts
    join unnest(${contracts.map((c) => c.address)}::text[], ${contracts.map((c) => c.kind)}::text[],
                ${contracts.map((c) => c.platformId ?? null)}::uuid[]) as asked (address, kind, row_id)
      using (address, kind)
    where chain_id = ${chainId} and status = 'active' and prepared_at is not null
      and platform_id = coalesce(row_id, platform_id)
    order by address, kind
  `.execute(tx);
  const groups = new Map<string, { contracts: ContractKey[]; missing: readonly BlockRange[] }>();
  for (const row of rows) {
    const held = parseMultirange(row.covered);
    const live = row.live_from === null ? [] : [{ from: Number(row.live_from), to: Number.MAX_SAFE_INTEGER }];
    const missing = subtract([range], [...held, ...live]);
    if (missing.length === 0) continue;
    const key = toMultirange(missing);
    const group = groups.get(key) ?? { contracts: [], missing };
    group.contracts.push({ address: row.address, kind: row.kind });
    groups.set(key, group);
  }
  return [...groups.values()];
}

/**
 * Claims that a slice's facts are all present.
 *
 * @returns false when another commit claimed part of it first: the transaction must then be given up and trimmed anew.
 */
export async function claimCoverage(tx: Transaction, chainId: number, { contracts, missing }: Slice): Promise<boolean> {
  const claimed = toMultirange(missing);
  const { numAffectedRows } = await sql`
    with asked as (
      select chain_id, address, kind from indexer.contracts
      join unnest(${contracts.map((c) => c.address)}::text[], ${contracts.map((c) => c.kind)}::text[]) as asked (address, kind)
        using (address, kind)
      where chain_id = ${chainId}
      order by address, kind
      for no key update of contracts
    )
    update indexer.contracts held set covered = covered + ${claimed}::int8multirange
    from asked
    where held.chain_id = asked.chain_id and held.address = asked.address and held.kind = asked.kind
      and held.status = 'active' and held.prepared_at is not null and not held.covered && ${claimed}::int8multirange
      and (held.live_from is null or held.live_from > upper(${claimed}::int8multirange) - 1)
  `.execute(tx);
  return numAffectedRows === BigInt(contracts.length);
}

/** Begins to cover contracts by the follower, from a block on; the head's compare-and-set makes it known to other processes. */
export async function goLive(
  tx: Transaction,
  chainId: number,
  contracts: readonly ContractKey[],
  from: number,
): Promise<void> {
  await sql`
    update indexer.contracts held set live_from = ${from}
    from unnest(${contracts.map((c) => c.address)}::text[], ${contracts.map((c) => c.kind)}::text[]) as asked (address, kind)
    where held.chain_id = ${chainId} and held.address = asked.address and held.kind = asked.kind
      and held.status = 'active' and held.live_from is null
  `.execute(tx);
}

type Setting = {
  /** The block that shows why; an unwind below it lifts the quarantine. Left out where the reason lies in the registry. */
  readonly atBlock: number | undefined;
  readonly coveredTo: number | undefined;
  readonly reason: string;
};

/** Sets a contract aside with a reason: what it covers up to `upTo` stays, nothing more is asked of it. */
export async function quarantine(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
  { atBlock, coveredTo, reason }: Setting,
): Promise<void> {
  await sql`
    update indexer.contracts set
      status = 'quarantined', status_reason = ${reason}, quarantined_at_block = ${atBlock ?? null},
      covered = case when live_from <= ${coveredTo ?? null}::bigint
        then covered + int8multirange(int8range(live_from, ${coveredTo ?? null}::bigint, '[]')) else covered end,
      live_from = null
    where chain_id = ${chainId} and address = ${address} and kind = ${kind} and status = 'active'
  `.execute(tx);
}

/** Takes coverage above a block back, and lifts quarantines that a block above it caused. */
export async function unwindCoverage(tx: Transaction, chainId: number, toBlock: number): Promise<void> {
  await sql`
    update indexer.contracts set
      covered = covered - int8multirange(int8range(${toBlock + 1}, null)),
      live_from = case when live_from > ${toBlock + 1} then ${toBlock + 1} else live_from end,
      status = case when quarantined_at_block > ${toBlock} then 'active' else status end,
      status_reason = case when quarantined_at_block > ${toBlock} then null else status_reason end,
      quarantined_at_block = case when quarantined_at_block > ${toBlock} then null else quarantined_at_block end
    where chain_id = ${chainId}
      and (covered && int8multirange(int8range(${toBlock + 1}, null)) or live_from > ${toBlock + 1} or quarantined_at_block > ${toBlock})
  `.execute(tx);
}

/** A contract's stretches that no commit has covered yet, from its deployment (or 0 where unknown) to a block. */
export type Gap = ContractKey & { readonly gaps: readonly BlockRange[] };

/** What is missing of every followed contract up to `to`: the wish less coverage. */
export async function coverageGaps(db: Kysely<DB>, chainId: number, to: number): Promise<readonly Gap[]> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; gaps: string }>`
    select address, kind, gaps::text from (
      select address, kind,
        case when deployed_at_block > ${to} then '{}'::int8multirange
          else int8multirange(int8range(coalesce(deployed_at_block, 0), ${to}, '[]')) end
        - covered
        - case when live_from is null then '{}'::int8multirange else int8multirange(int8range(live_from, null)) end as gaps
      from indexer.contracts
      where chain_id = ${chainId} and status = 'active'
    ) wish
    where not isempty(gaps)
    order by address, kind
  `.execute(db);
  return rows.map((row) => ({ address: row.address, kind: row.kind, gaps: parseMultirange(row.gaps) }));
}

/**
 * Returns the highest block, at most the head, up to which no active contract has a gap. A contract whose deployment block is
 * unknown does not count: nobody knows yet where its history begins.
 */
export async function completeTo(db: Kysely<DB>, chainId: number, head: number): Promise<number> {
  const { rows } = await sql<{ block: string }>`
    select least(${head}::bigint, min(lower(gap)) - 1) as block from (
      select int8multirange(int8range(deployed_at_block, ${head}, '[]')) - covered
        - case when live_from is null then '{}'::int8multirange else int8multirange(int8range(live_from, null)) end as gap
      from indexer.contracts
      where chain_id = ${chainId} and status = 'active' and deployed_at_block <= ${head}
        and (live_from <= deployed_at_block or covered @> int8range(deployed_at_block, live_from)) is not true
    ) incomplete
    where not isempty(gap)
  `.execute(db);
  return Number(rows[0]?.block ?? head);
}
