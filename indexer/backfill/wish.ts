import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, toMultirange } from '../kernel/ranges.ts';

/** What is wanted of a chain's contracts. */
export type Wish = {
  readonly chainId: number;
  /** Nothing above this block can be filled yet. */
  readonly head: number;
  /** Everything since each contract's deployment, where that is known. */
  readonly standing: boolean;
  /** What the requests that run ask for: of all of them, or of the one with this id. */
  readonly request?: string | undefined;
};

/** A contract that lacks something, and the row of the platform that it is known by. */
export type LackingContract = { readonly address: Hex; readonly kind: ContractKind; readonly platformId: string };

/** Rows `(address, kind, platform_id, missing)`: the wish less coverage, contract by contract. */
function missingByContract({ chainId, head, standing, request }: Wish): RawBuilder<unknown> {
  const wanted = sql`(id = ${request ?? null}::uuid or ${request === undefined})`;
  const sinceDeployment = sql`case when ${standing} and deployed_at_block <= ${head}
    then int8multirange(int8range(deployed_at_block, ${head}, '[]')) else '{}' end`;
  return sql`
    with requests as materialized (
      select from_block, least(to_block, ${head}) as to_block, contracts from indexer.backfills
      where chain_id = ${chainId} and status = 'running' and ${wanted}
    )
    select address, kind, platform_id, created_at,
      ${sinceDeployment}
      + coalesce(asked.blocks, '{}')
      - covered
      - case when live_from is null then '{}' else int8multirange(int8range(live_from, null)) end as missing
    from indexer.contracts contract
    left join lateral (
      select range_agg(int8range(greatest(from_block, coalesce(deployed_at_block, 0)), to_block, '[]')) as blocks
      from requests
      where (contracts is null or contract.address = any(contracts))
        and greatest(from_block, coalesce(deployed_at_block, 0)) <= to_block
    ) asked on true
    where chain_id = ${chainId} and status = 'active' and prepared_at is not null
  `;
}

/** The oldest stretches that are missing of any contract, and how many blocks are missing in all. */
export type Gaps = { readonly ranges: readonly BlockRange[]; readonly blocks: number };

/**
 * What no contract may lack and some contract does, less what is on its way (`pending`) and what was given up on.
 *
 * One statement whatever the number of contracts; no more than `count` stretches come back.
 */
export async function findGaps(
  db: Kysely<DB>,
  wish: Wish,
  pending: readonly BlockRange[],
  count: number,
): Promise<Gaps> {
  const { rows } = await sql<{ from: string; to: string; blocks: string }>`
    with dead as materialized (${deadRanges(wish.chainId)}),
    contract as (${missingByContract(wish)}),
    gap as (select unnest((${stillToDo(sql`contract`)}) - ${toMultirange(pending)}::int8multirange) as range)
    select lower(range) as from, upper(range) - 1 as to, sum(upper(range) - lower(range)) over () as blocks
    from gap order by 1 limit ${count}
  `.execute(db);
  return {
    ranges: rows.map(({ from, to }) => ({ from: Number(from), to: Number(to) })),
    blocks: Number(rows[0]?.blocks ?? 0),
  };
}

/** What was given up on is tried again after a while: an endpoint may have it by then. */
const DEAD_FOR = '1 hour';

/** Rows `(range, since)`: the blocks of a chain that were given up on lately, or since some time before. */
export function deadRanges(chainId: number, before: RawBuilder<unknown> = sql`null`): RawBuilder<unknown> {
  return sql`
    select int8range(range_from, range_to, '[]') as range, created_at as since from indexer.dead_letters
    where chain_id = ${chainId} and kind = 'job' and created_at > least(now() - ${DEAD_FOR}::interval, ${before})
  `;
}

/** What of the rows `dead` counts for a contract: one that was registered since has not been tried there. */
function deadFor(contract: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`coalesce((select range_agg(range) from dead where since > ${contract}.created_at), '{}'::int8multirange)`;
}

/** Of contracts with the same number the same rows of `dead` count. */
const sinceBucket = sql`width_bucket(created_at, (select array_agg(since order by since) from dead))`;

/**
 * What rows `(missing, created_at)` lack in all, less what of `dead` counts for each. Those for which the same counts are taken
 * together: there may be many of both.
 */
export function stillToDo(contracts: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    select range_agg(missing - ${deadFor(sql`alike`)}) from (
      select range_agg(missing) as missing, max(created_at) as created_at from ${contracts} as contract
      where not isempty(missing)
      group by ${sinceBucket}
    ) alike
  `;
}

/** Who lacks something in a range, and the first and last block that any of them lacks. */
export type Lack = BlockRange & { readonly contracts: readonly LackingContract[] };

/** What is still to do of a range; undefined where nothing is. */
export async function findLack(db: Kysely<DB>, wish: Wish, { from, to }: BlockRange): Promise<Lack | undefined> {
  const range = toMultirange([{ from, to }]);
  const { rows } = await sql<{ address: Hex; kind: ContractKind; platform_id: string; from: string; to: string }>`
    with dead as materialized (
      select * from (${deadRanges(wish.chainId)}) lately where range && int8range(${from}, ${to}, '[]')
    ),
    contract as (${missingByContract(wish)}),
    inside as materialized (
      select address, kind, platform_id, created_at, ${sinceBucket} as bucket, missing * ${range}::int8multirange as missing
      from contract where missing && ${range}::int8multirange
    ),
    tried as materialized (
      select bucket, ${deadFor(sql`alike`)} as blocks
      from (select bucket, max(created_at) as created_at from inside group by bucket) alike
    ),
    lacking as materialized (
      select address, kind, platform_id, missing - blocks as missing
      from inside join tried on tried.bucket is not distinct from inside.bucket
    )
    select address, kind, platform_id,
      min(lower(missing)) over () as from, max(upper(missing)) over () - 1 as to
    from lacking where not isempty(missing) order by address, kind
  `.execute(db);
  const first = rows[0];
  if (first === undefined) return undefined;
  return {
    from: Number(first.from),
    to: Number(first.to),
    contracts: rows.map(({ address, kind, platform_id }) => ({ address, kind, platformId: platform_id })),
  };
}
