import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, toMultirange } from '../kernel/ranges.ts';
import { blocksBetween, type ContractKey, coveredBlocks, firstBlockSince } from '../progress/contract-coverage.ts';

/** The part of a chain's history that should be complete. */
export type WantedHistory = {
  readonly chainId: number;
  /** The chain's head. Blocks above it cannot be filled yet. */
  readonly head: number;
  /** Whether all blocks since a contract's deployment are wanted, for each contract whose deployment block is known. */
  readonly standing: boolean;
  /** The id of a running request whose blocks are wanted. If undefined, the blocks of all running requests are wanted. */
  readonly request?: string | undefined;
};

/** A contract with missing blocks, the id of its platform row, and the fingerprint of the events for which its history was read. */
export type IncompleteContract = ContractKey & {
  readonly platformId: string;
  readonly coveredFingerprint: string | null;
};

/** Returns SQL for one row per followed contract. Its column `missing` holds the wanted blocks of the contract that are not covered. */
function missingByContract({ chainId, head, standing, request }: WantedHistory): RawBuilder<unknown> {
  const isWanted = sql`(id = ${request ?? null}::uuid or ${request === undefined})`;
  const end = sql`${head}::bigint`;
  const first = firstBlockSince(sql`from_block`);
  return sql`
    with requests as materialized (
      select from_block, least(to_block, ${head}) as to_block, contracts from indexer.backfills
      where chain_id = ${chainId} and status = 'running' and ${isWanted}
    )
    select address, kind, platform_id, fingerprint, created_at,
      case when ${standing} then ${blocksBetween(sql`deployed_at_block`, end)} else '{}' end
        + coalesce(requested.blocks, '{}') - ${coveredBlocks()} as missing
    from indexer.contracts contract
    left join lateral (
      select range_agg(int8range(${first}, to_block, '[]')) as blocks
      from requests
      where (contracts is null or contract.address = any(contracts)) and ${first} <= to_block
    ) requested on true
    where chain_id = ${chainId} and status = 'active' and prepared_at is not null
  `;
}

/** The oldest ranges of blocks that at least one contract lacks (`ranges`), and the number of such blocks in all ranges (`blocks`). */
export type Gaps = { readonly ranges: readonly BlockRange[]; readonly blocks: number };

/**
 * Returns the blocks that at least one contract lacks, except those in the queue (`pending`) and those that failed.
 *
 * Runs one statement, whatever the number of contracts. Returns at most `count` ranges.
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

/** A failed range is tried again after this time, because an endpoint may serve it by then. */
const FAILED_RANGE_COOLDOWN = '1 hour';

/** Returns SQL for rows `(range, since)`: the ranges that failed in the last hour or after `earlierTime`, and when they failed. */
export function failedRanges(chainId: number, earlierTime: RawBuilder<unknown> = sql`null`): RawBuilder<unknown> {
  return sql`
    select int8range(range_from, range_to, '[]') as range, created_at as since from indexer.dead_letters
    where chain_id = ${chainId} and kind = 'job' and created_at > least(now() - ${FAILED_RANGE_COOLDOWN}::interval, ${earlierTime})
  `;
}

/** Returns SQL for the failed blocks that apply to a contract: those in rows of `failed` (`failedRanges`) since it was registered. */
function failedFor(contract: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`coalesce((select range_agg(range) from failed where since > ${contract}.created_at), '{}'::int8multirange)`;
}

/** SQL that groups contracts into buckets by when they were registered. The same rows of `failed` apply to all contracts of a bucket. */
const failureBucket = sql`width_bucket(created_at, (select array_agg(since order by since) from failed))`;

/**
 * Returns SQL for the blocks that at least one contract lacks and that have not failed since this contract was registered. Contracts to
 * which the same failures apply are aggregated first, because there may be many contracts and many failures.
 *
 * @param contracts SQL for rows `(missing, created_at)`, one per contract
 */
export function blocksToFill(contracts: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    select range_agg(missing - ${failedFor(sql`bucket`)}) from (
      select range_agg(missing) as missing, max(created_at) as created_at from ${contracts} as contract
      where not isempty(missing)
      group by ${failureBucket}
    ) bucket
  `;
}

/** The contracts that have missing blocks in a range, and the first and last block that is missing for any of them. */
export type MissingWork = BlockRange & { readonly contracts: readonly IncompleteContract[] };

/** Returns the contracts and blocks that are missing in a range. Undefined if no block is missing. */
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
      select * from (${failedRanges(wanted.chainId)}) recent where range && int8range(${from}, ${to}, '[]')
    ),
    contract as (${missingByContract(wanted)}),
    inside as materialized (
      select address, kind, platform_id, fingerprint, created_at, ${failureBucket} as bucket, missing * ${range}::int8multirange as missing
      from contract where missing && ${range}::int8multirange
    ),
    failed_by_bucket as materialized (
      select bucket, ${failedFor(sql`newest`)} as blocks
      from (select bucket, max(created_at) as created_at from inside group by bucket) newest
    ),
    incomplete as materialized (
      select address, kind, platform_id, fingerprint, missing - blocks as missing
      from inside join failed_by_bucket on failed_by_bucket.bucket is not distinct from inside.bucket
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
