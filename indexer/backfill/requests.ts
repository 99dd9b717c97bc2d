import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, parseMultirange } from '../kernel/ranges.ts';
import { blocksBetween, coveredBlocks, firstBlockSince, missingBlocks } from '../progress/contract-coverage.ts';
import { blocksToFill, failedRanges } from './missing-work.ts';

/** The status of a request. `failed`: some of its blocks are missing, and no worker can fill them. */
export type RequestStatus = 'running' | 'finished' | 'failed' | 'cancelled';

/** A request to fill a range of a chain's history. */
export type BackfillRequest = BlockRange & {
  readonly id: string;
  readonly chainId: number;
  /** The addresses of the contracts to fill. Null means all contracts. */
  readonly contracts: readonly Hex[] | null;
};

/** A request with its status. */
export type RecordedRequest = BackfillRequest & {
  readonly status: RequestStatus;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
};

/** A contract for which blocks of a request are still missing. */
export type Incomplete = {
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly missing: readonly BlockRange[];
  /** Why the contract is quarantined; null if it is not. */
  readonly setAside: string | null;
};

/** The progress of a request. */
export type RequestProgress = {
  /** Number of blocks that at least one contract lacks. */
  readonly blocksLeft: number;
  /** Number of missing blocks that a worker can still fill, because they have not failed and their contract is not quarantined. */
  readonly blocksToDo: number;
  /** Incomplete contracts, ordered by address and kind, at most `INCOMPLETE_LISTED_MAX`. */
  readonly incomplete: readonly Incomplete[];
};

/** A range that no worker could fill. */
export type FailedRange = BlockRange & { readonly reason: string };

const INCOMPLETE_LISTED_MAX = 20;
const REQUESTS_LISTED_MAX = 50;

/** Records a request and notifies running daemons and workers. Failed ranges that overlap the request are tried again. */
export async function recordRequest(db: Kysely<DB>, request: BackfillRequest): Promise<BackfillRequest> {
  const { id, chainId, from, to, contracts } = request;
  await sql`
    with retried as (
      delete from indexer.dead_letters
      where chain_id = ${chainId} and kind = 'job' and range_from <= ${to} and range_to >= ${from}
    )
    insert into indexer.backfills (id, chain_id, from_block, to_block, contracts)
    values (${id}, ${chainId}, ${from}, ${to}, ${contracts === null ? null : [...contracts]}::text[])
  `.execute(db);
  await sql`select pg_notify('indexer_contracts', ${String(chainId)})`.execute(db);
  return request;
}

/** Gives a running request its final status. Returns false if the request has already ended. */
export async function endRequest(db: Kysely<DB>, id: string, status: RequestStatus): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('indexer.backfills')
    .set({ status, finished_at: sql`now()` })
    .where('id', '=', id)
    .where('status', '=', 'running')
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Returns the status of a request; undefined if no request has this id. */
export async function statusOf(db: Kysely<DB>, id: string): Promise<RequestStatus | undefined> {
  const row = await db.selectFrom('indexer.backfills').select('status').where('id', '=', id).executeTakeFirst();
  return row?.status as RequestStatus | undefined;
}

/** Returns the ids of a chain's running requests in one string, so that callers can compare it to notice a change. */
export async function runningRequests(db: Kysely<DB>, chainId: number): Promise<string> {
  const rows = await db
    .selectFrom('indexer.backfills')
    .select('id')
    .where('chain_id', '=', String(chainId))
    .where('status', '=', 'running')
    .orderBy('id')
    .execute();
  return rows.map(({ id }) => id).join(' ');
}

/** Returns the requests of one chain or of all chains, newest first: either all running ones, or the most recent ones of any status. */
export async function listRequests(
  db: Kysely<DB>,
  { onlyRunning, chainId }: { readonly onlyRunning: boolean; readonly chainId?: number | undefined },
): Promise<readonly RecordedRequest[]> {
  let query = db
    .selectFrom('indexer.backfills')
    .select(['id', 'chain_id', 'from_block', 'to_block', 'contracts', 'status', 'created_at', 'finished_at'])
    .orderBy('created_at', 'desc')
    .orderBy('id');
  query = onlyRunning ? query.where('status', '=', 'running') : query.limit(REQUESTS_LISTED_MAX);
  if (chainId !== undefined) query = query.where('chain_id', '=', String(chainId));
  const rows = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    chainId: Number(row.chain_id),
    from: Number(row.from_block),
    to: Number(row.to_block),
    contracts: row.contracts as Hex[] | null,
    status: row.status as RequestStatus,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  }));
}

/** Returns the progress of a request, computed from coverage. */
export async function progressOf(db: Kysely<DB>, request: BackfillRequest): Promise<RequestProgress> {
  const { chainId, from, to, contracts } = request;
  const { rows } = await sql<{
    left: string | null;
    to_do: string | null;
    incomplete: { address: Hex; kind: ContractKind; missing: string; reason: string | null }[];
  }>`
    with failed as materialized (
      ${failedRanges(chainId, sql`(select created_at from indexer.backfills where id = ${request.id}::uuid)`)}
    ),
    contract as (
      select address, kind, contracts.created_at, contracts.status, contracts.status_reason,
        ${blocksBetween(firstBlockSince(sql`${from}::bigint`), sql`${to}::bigint`)} - ${coveredBlocks(sql`head_number`)} as missing
      from indexer.contracts left join indexer.chains using (chain_id)
      where contracts.chain_id = ${chainId} and contracts.status <> 'removed'
        and (${contracts === null} or address = any(${contracts === null ? [] : [...contracts]}::text[]))
    ),
    incomplete as (select * from contract where not isempty(missing)),
    listed as (select * from incomplete order by address, kind limit ${INCOMPLETE_LISTED_MAX})
    select
      (select sum(upper(range) - lower(range)) from (select unnest(range_agg(missing)) as range from incomplete) ranges) as left,
      (select sum(upper(range) - lower(range))
        from (select unnest((${blocksToFill(sql`(select * from incomplete where status = 'active')`)})) as range) ranges) as to_do,
      (select coalesce(json_agg(json_build_object(
          'address', address, 'kind', kind, 'missing', missing::text,
          'reason', case when status = 'active' then null else coalesce(status_reason, status) end)), '[]') from listed) as incomplete
  `.execute(db);
  const row = rows[0];
  return {
    blocksLeft: Number(row?.left ?? 0),
    blocksToDo: Number(row?.to_do ?? 0),
    incomplete: (row?.incomplete ?? []).map(({ address, kind, missing, reason }) => ({
      address,
      kind,
      missing: parseMultirange(missing),
      setAside: reason,
    })),
  };
}

/** Marks running requests of a chain as finished if no block is missing, or as failed if no worker can fill the missing blocks. */
export async function settleRequests(db: Kysely<DB>, chainId: number): Promise<void> {
  for (const request of await listRequests(db, { onlyRunning: true, chainId })) {
    const { blocksLeft, blocksToDo } = await progressOf(db, request);
    if (blocksLeft === 0) await endRequest(db, request.id, 'finished');
    else if (blocksToDo === 0) await endRequest(db, request.id, 'failed');
  }
}

/**
 * Records that a range failed. It is planned again after an hour, or when a new request overlaps it.
 *
 * @param reason must not contain secrets
 */
export async function recordFailedRange(
  db: Kysely<DB>,
  chainId: number,
  { from, to }: BlockRange,
  reason: string,
): Promise<void> {
  await db
    .insertInto('indexer.dead_letters')
    .values({
      id: sql`indexer.derived_id(${`job:${chainId}:${from}:${to}`})`,
      chain_id: chainId,
      kind: 'job',
      range_from: from,
      range_to: to,
      reason,
    })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ reason, created_at: sql`now()` }))
    .execute();
}

/** Deletes the records of failed ranges that are covered by now for every active contract, leaving out blocks before its deployment. */
export async function deleteCoveredFailures(db: Kysely<DB>, chainId: number): Promise<void> {
  await sql`
    delete from indexer.dead_letters letter
    where chain_id = ${chainId} and kind = 'job' and not exists (
      select from indexer.contracts
      where contracts.chain_id = letter.chain_id and status = 'active'
        and not isempty(${missingBlocks(sql`range_to`, sql`range_from`)}))
  `.execute(db);
}

/** Returns the first failed ranges that overlap a range, in order, at most `INCOMPLETE_LISTED_MAX`. */
export async function failedIn(
  db: Kysely<DB>,
  chainId: number,
  { from, to }: BlockRange,
): Promise<readonly FailedRange[]> {
  const rows = await db
    .selectFrom('indexer.dead_letters')
    .select(['range_from', 'range_to', 'reason'])
    .where('chain_id', '=', String(chainId))
    .where('kind', '=', 'job')
    .where('range_from', '<=', String(to))
    .where('range_to', '>=', String(from))
    .orderBy('range_from')
    .orderBy('range_to')
    .limit(INCOMPLETE_LISTED_MAX)
    .execute();
  return rows.map((row) => ({ from: Number(row.range_from), to: Number(row.range_to), reason: row.reason }));
}
