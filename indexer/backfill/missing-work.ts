import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, toMultirange } from '../kernel/ranges.ts';
import { blocksBetween, type ContractKey, coveredBlocks, firstBlockSince } from '../progress/contract-coverage.ts';

/** The history that is wanted of a chain's contracts. */
export type WantedHistory = {
  readonly chainId: number;
  /** Nothing above this block can be filled yet. */
  readonly head: number;
  /** Whether everything since each contract's deployment is wanted, where that block is known. */
  readonly standing: boolean;
  /** The id of the one running request that counts; undefined where all running requests do. */
  readonly request?: string | undefined;
};

/** A contract of which blocks are missing, with the platform's row that it is known by and what its coverage was read with. */
export type IncompleteContract = ContractKey & {
  readonly platformId: string;
  readonly coveredFingerprint: string | null;
};

/** Returns SQL for rows `(address, kind, platform_id, fingerprint, created_at, missing)`: what coverage lacks of the wanted history. */
function missingByContract({ chainId, head, standing, request }: WantedHistory): RawBuilder<unknown> {
  const isMeant = sql`(id = ${request ?? null}::uuid or ${request === undefined})`;
  const end = sql`${head}::bigint`;
  const first = firstBlockSince(sql`from_block`);
  return sql`
    with requests as materialized (
      select from_block, least(to_block, ${head}) as to_block, contracts from indexer.backfills
      where chain_id = ${chainId} and status = 'running' and ${isMeant}
    )
    select address, kind, platform_id, fingerprint, created_at,
      case when ${standing} then ${blocksBetween(sql`deployed_at_block`, end)} else '{}' end
        + coalesce(asked.blocks, '{}') - ${coveredBlocks()} as missing
    from indexer.contracts contract
    left join lateral (
      select range_agg(int8range(${first}, to_block, '[]')) as blocks
      from requests
      where (contracts is null or contract.address = any(contracts)) and ${first} <= to_block
    ) asked on true
    where chain_id = ${chainId} and status = 'active' and prepared_at is not null
  `;
}

/** The oldest blocks that are missing of any contract, and how many blocks are missing in all. */
export type Gaps = { readonly ranges: readonly BlockRange[]; readonly blocks: number };

/**
 * Returns the blocks that are missing of any contract, without those in the queue (`pending`) and those that failed.
 *
 * Runs one statement whatever the number of contracts, and returns at most `count` ranges.
 */
export async function findGaps(
  db: Kysely<DB>,
  wanted: WantedHistory,
  pending: readonly BlockRange[],
  count: number,
): Promise<Gaps> {
  const { rows } = await sql<{ from: string; to: string; blocks: string }>`
    with failed as materialized (${failedRanges(wanted.chainId)}),
    contract as (${missingByContract(wanted)}),
    gap as (select unnest((${blocksToFill(sql`contract`)}) - ${toMultirange(pending)}::int8multirange) as range)
    select lower(range) as from, upper(range) - 1 as to, sum(upper(range) - lower(range)) over () as blocks
    from gap order by 1 limit ${count}
  `.execute(db);
  return {
    ranges: rows.map(({ from, to }) => ({ from: Number(from), to: Number(to) })),
    blocks: Number(rows[0]?.blocks ?? 0),
  };
}

/** A range that failed is tried again after this time: an endpoint may serve it by then. */
const FAILED_FOR = '1 hour';

/** Returns SQL for rows `(range, since)`: the ranges of a chain that failed lately, or since an earlier time. */
export function failedRanges(chainId: number, before: RawBuilder<unknown> = sql`null`): RawBuilder<unknown> {
  return sql`
    select int8range(range_from, range_to, '[]') as range, created_at as since from indexer.dead_letters
    where chain_id = ${chainId} and kind = 'job' and created_at > least(now() - ${FAILED_FOR}::interval, ${before})
  `;
}

/** Returns SQL for the blocks of the rows `failed` that count for a contract: a contract registered since was not tried there. */
function failedFor(contract: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`coalesce((select range_agg(range) from failed where since > ${contract}.created_at), '{}'::int8multirange)`;
}

/** Contracts in the same bucket have the same rows of `failed` that count for them. */
const sinceBucket = sql`width_bucket(created_at, (select array_agg(since order by since) from failed))`;

/**
 * Returns SQL for the blocks that are missing of any of the rows `(missing, created_at)` and have not failed for it. Contracts for
 * which the same failures count are aggregated first, because there may be many of both.
 */
export function blocksToFill(contracts: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    select range_agg(missing - ${failedFor(sql`alike`)}) from (
      select range_agg(missing) as missing, max(created_at) as created_at from ${contracts} as contract
      where not isempty(missing)
      group by ${sinceBucket}
    ) alike
  `;
}

/** The contracts of which blocks are missing in a range, and the first and last block that is missing of any. */
export type MissingWork = BlockRange & { readonly contracts: readonly IncompleteContract[] };

/** Returns what is still to be filled of a range; undefined where nothing is. */
export async function findMissingWork(
  db: Kysely<DB>,
  wanted: WantedHistory,
  { from, to }: BlockRange,
): Promise<MissingWork | undefined> {
  const range = toMultirange([{ from, to }]);
  const { rows } = await sql<{
    address: Hex;
    kind: ContractKind;
    platform_id: string;
    fingerprint: string | null;
    from: string;
    to: string;
  }>`
    with failed as materialized (
      select * from (${failedRanges(wanted.chainId)}) lately where range && int8range(${from}, ${to}, '[]')
    ),
    contract as (${missingByContract(wanted)}),
    inside as materialized (
      select address, kind, platform_id, fingerprint, created_at, ${sinceBucket} as bucket, missing * ${range}::int8multirange as missing
      from contract where missing && ${range}::int8multirange
    ),
    tried as materialized (
      select bucket, ${failedFor(sql`alike`)} as blocks
      from (select bucket, max(created_at) as created_at from inside group by bucket) alike
    ),
    incomplete as materialized (
      select address, kind, platform_id, fingerprint, missing - blocks as missing
      from inside join tried on tried.bucket is not distinct from inside.bucket
    )
    select address, kind, platform_id, fingerprint,
      min(lower(missing)) over () as from, max(upper(missing)) over () - 1 as to
    from incomplete where not isempty(missing) order by address, kind
  `.execute(db);
  const first = rows[0];
  if (first === undefined) return undefined;
  return {
    from: Number(first.from),
    to: Number(first.to),
    contracts: rows.map(({ address, kind, platform_id: platformId, fingerprint: coveredFingerprint }) => ({
      ...{ address, kind, platformId, coveredFingerprint },
    })),
  };
}
