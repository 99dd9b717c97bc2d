import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, toMultirange } from '../kernel/ranges.ts';
import {
  blocksBetween,
  type ContractKey,
  chainIn,
  coveredBlocks,
  liveBlocks,
  provedBlocks,
  type Slice,
} from './contract-coverage.ts';

/** Blocks that could not be proved are tried again after this time, because an endpoint may serve them by then. */
const FAILED_PROOF_COOLDOWN = '1 hour';
const FAILED_PROOFS_LISTED_MAX = 20;
/**
 * The maximum number of proved blocks in a row between the unproved blocks of a piece (a range that is proved together). They are read
 * again, which costs less than another request for logs.
 */
const PROVED_BLOCKS_BETWEEN_MAX = 16;

/** The part of a chain that is to be proved. */
export type ProofScope = {
  readonly chainId: number;
  /** The first block in scope. */
  readonly from: number;
  /** The last block in scope. */
  readonly to: number;
  /** The addresses of the contracts in scope. Null means all contracts of the chain. */
  readonly contracts: readonly Hex[] | null;
};

/** Which covered blocks of a contract: those since `live_from`, which the follower commits (`followed`), or all others (`filled`). */
export type Part = 'followed' | 'filled';

/** A range of blocks, and the contracts for which it contains covered blocks that are not proved. */
export type Unproved = BlockRange & { readonly contracts: readonly ContractKey[] };

/**
 * Returns SQL for rows `(address, kind, live_from, unproved)`: the covered blocks in scope that are not proved, for each contract that is
 * followed or that a log quarantined.
 */
function unprovedByContract({ chainId, from, to, contracts }: ProofScope): RawBuilder<unknown> {
  return sql`
    select address, kind, live_from,
      ${coveredBlocks(sql`head_number`)} * ${blocksBetween(sql`${from}::bigint`, sql`${to}::bigint`)} - ${provedBlocks} as unproved
    from indexer.contracts join ${chainIn(chainId, { from, to })} chain using (chain_id)
    where chain_id = ${chainId} and prepared_at is not null
      and (contracts.status = 'active' or quarantined_at_block is not null)
      and (${contracts === null} or address = any(${contracts === null ? [] : [...contracts]}::text[]))
  `;
}

/**
 * Returns a range of at most `blocks` blocks, and the contracts that have unproved blocks of `part` in it. The range begins at the lowest
 * such block, and ends before more than `PROVED_BLOCKS_BETWEEN_MAX` proved blocks in a row. Ignores blocks whose proof failed within the
 * last hour. Returns undefined if all other blocks of `part` are proved.
 */
export async function findUnproved(
  db: Kysely<DB>,
  scope: ProofScope,
  part: Part,
  blocks: number,
): Promise<Unproved | undefined> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; from: string; to: string }>`
    with failed as (
      select coalesce(range_agg(int8range(from_block, to_block, '[]')), '{}') as blocks from indexer.failed_proofs
      where chain_id = ${scope.chainId} and tried_at > now() - ${FAILED_PROOF_COOLDOWN}::interval
    ),
    contract as materialized (
      select address, kind, live_from, (unproved - failed.blocks) ${part === 'followed' ? sql`*` : sql`-`} ${liveBlocks} as unproved
      from (${unprovedByContract(scope)}) found, failed
    ),
    -- Before the tables are analyzed, PostgreSQL would evaluate these once for each of thousands of contracts.
    first as materialized (select min(lower(unproved)) as block from contract),
    -- Filled blocks are not read together with followed ones, whose logs must be confirmed. The prover asks for these separately.
    window_end as materialized (
      select least(block + ${blocks}, ${part === 'followed' ? sql`null` : sql`(select min(live_from) from contract where live_from > block)`}) as block
      from first
    ),
    near as (
      select range_agg(unproved * int8multirange(int8range(first.block, window_end.block))) as blocks
      from contract, first, window_end
    ),
    ranges as (
      select range, lower(range) - lag(upper(range)) over (order by range) > ${PROVED_BLOCKS_BETWEEN_MAX} as is_far
      from near, unnest(blocks) as range
    ),
    piece as materialized (
      select min(lower(range)) as from, max(upper(range)) - 1 as to
      from (select range, bool_or(is_far) over (order by range) as is_behind from ranges) placed where is_behind is not true
    )
    select address, kind, piece.from, piece.to from contract, piece
    where unproved && int8multirange(int8range(piece.from, piece.to, '[]'))
    order by address, kind
  `.execute(db);
  const first = rows[0];
  if (first === undefined) return undefined;
  const contracts = rows.map(({ address, kind }) => ({ address, kind }));
  return { from: Number(first.from), to: Number(first.to), contracts };
}

/**
 * Records that the facts of a range were compared with the headers of its blocks. `slices` are the blocks that were compared. Leaves out
 * blocks that are no longer covered: the platform may announce a contract again at any time, which empties the coverage of the contract
 * without waiting for the chain's lock.
 *
 * If the range is now proved for all contracts that the follower covers, it is added to the verified blocks of the chain instead of to
 * `proved` of each contract. There, it would be one of thousands of ranges between the blocks that the follower read in full.
 */
export async function addProved(
  tx: Transaction,
  chainId: number,
  range: BlockRange,
  slices: readonly Slice[],
): Promise<void> {
  const verified = await verifiedAfter(tx, chainId, range, slices);
  if (verified !== undefined) {
    // The chain's row is locked before those of contracts, as in a follower's commit. It is not locked if nothing is added.
    await sql`
      update indexer.chains set verified = (verified + ${verified.blocks}::int8multirange) * int8multirange(int8range(${verified.liveFrom}, null))
      where chain_id = ${chainId} and not verified @> ${verified.blocks}::int8multirange
    `.execute(tx);
  }
  const live = sql`(${verified?.blocks ?? '{}'}::int8multirange * ${liveBlocks})`;
  for (const { contracts, blocks } of slices) {
    const added = sql`(${toMultirange(blocks)}::int8multirange * ${coveredBlocks()} - ${live})`;
    await sql`
      with locked as (
        select held.chain_id, held.address, held.kind from indexer.contracts held
        join unnest(${contracts.map((c) => c.address)}::text[], ${contracts.map((c) => c.kind)}::text[]) as given (address, kind)
          using (address, kind)
        where held.chain_id = ${chainId} and held.prepared_at is not null and (not proved @> ${added} or proved && ${live})
        order by address, kind for no key update of held
      )
      update indexer.contracts held set proved = proved + ${added} - ${live}
      from locked where held.chain_id = locked.chain_id and held.address = locked.address and held.kind = locked.kind
    `.execute(tx);
  }
}

/**
 * Returns the blocks of a range that can be added to the verified blocks of its chain, as an `int8multirange`, once `slices` are proved. They
 * begin at the first block of the range that the follower covers for any contract. `liveFrom` is the first such block of the chain: below it
 * verified blocks have no meaning. Returns undefined if the follower covers none, or if blocks of a contract would not be proved.
 */
async function verifiedAfter(
  tx: Transaction,
  chainId: number,
  { from, to }: BlockRange,
  slices: readonly Slice[],
): Promise<{ readonly blocks: string; readonly liveFrom: string } | undefined> {
  // Thousands of contracts share a few slices, so the blocks of each slice are sent once.
  const given = slices.flatMap(({ contracts }, slice) =>
    contracts.map(({ address, kind }) => ({ address, kind, slice })),
  );
  const { rows } = await sql<{ blocks: string | null; live_from: string }>`
    with slice as materialized (
      select number - 1 as slice, blocks::int8multirange as compared
      from unnest(${slices.map(({ blocks }) => toMultirange(blocks))}::text[]) with ordinality as listed (blocks, number)
    ),
    given as materialized (
      select address, kind, compared
      from unnest(${given.map(({ address }) => address)}::text[], ${given.map(({ kind }) => kind)}::text[],
        ${given.map(({ slice }) => slice)}::bigint[]) as listed (address, kind, slice)
      join slice using (slice)
    )
    select case when bool_and(isempty(live.blocks - live.proved))
      then range_merge(range_agg(live.blocks))::int8multirange end as blocks, min(live_from) as live_from
    from (
      select live_from, int8multirange(int8range(greatest(live_from, ${from}::bigint), ${to}::bigint, '[]')) as blocks,
        ${provedBlocks} + coalesce(compared, '{}') as proved
      from indexer.contracts join ${chainIn(chainId, { from, to })} chain using (chain_id)
      left join given using (address, kind)
      where chain_id = ${chainId} and live_from <= ${to}
    ) live
  `.execute(tx);
  const [row] = rows;
  return row === undefined || row.blocks === null ? undefined : { blocks: row.blocks, liveFrom: row.live_from };
}

/** How far the covered blocks of a scope are proved. */
export type ProofProgress = {
  /** The number of blocks in scope that are covered and not proved for at least one contract. */
  readonly blocksLeft: number;
  /** The number of unproved blocks in scope, without blocks whose proof failed within the last hour. */
  readonly blocksToDo: number;
  /** The highest block up to which every covered block in scope is proved for all contracts. */
  readonly provedTo: number;
};

/** Returns how far the covered blocks of a scope are proved. */
export async function proofProgress(db: Kysely<DB>, scope: ProofScope): Promise<ProofProgress> {
  const { rows } = await sql<{ left: string | null; to_do: string | null; lowest: string | null }>`
    with failed as (
      select coalesce(range_agg(int8range(from_block, to_block, '[]')), '{}') as blocks from indexer.failed_proofs
      where chain_id = ${scope.chainId} and tried_at > now() - ${FAILED_PROOF_COOLDOWN}::interval
    ),
    unproved as (select range_agg(unproved) as blocks from (${unprovedByContract(scope)}) contract)
    select lower(unproved.blocks) as lowest,
      (select sum(upper(range) - lower(range)) from unnest(unproved.blocks) as range) as left,
      (select sum(upper(range) - lower(range)) from unnest(unproved.blocks - failed.blocks) as range) as to_do
    from unproved, failed
  `.execute(db);
  const row = rows[0];
  const lowest = row?.lowest ?? null;
  return {
    blocksLeft: Number(row?.left ?? 0),
    blocksToDo: Number(row?.to_do ?? 0),
    provedTo: lowest === null ? scope.to : Number(lowest) - 1,
  };
}

/** Blocks that could not be proved. */
export type FailedProof = BlockRange & { readonly reason: string };

/** Records that blocks could not be proved. `reason` must not contain secrets. */
export async function recordFailedProof(db: Kysely<DB>, chainId: number, { from, to, reason }: FailedProof) {
  await db
    .insertInto('indexer.failed_proofs')
    .values({ chain_id: chainId, from_block: from, to_block: to, reason })
    .onConflict((conflict) =>
      conflict.columns(['chain_id', 'from_block', 'to_block']).doUpdateSet({ reason, tried_at: sql`now()` }),
    )
    .execute();
}

/** Deletes the records of failed proofs that overlap a range, so that their blocks are tried again at once. */
export async function forgetFailedProofs(db: Kysely<DB>, chainId: number, { from, to }: BlockRange): Promise<void> {
  await db
    .deleteFrom('indexer.failed_proofs')
    .where('chain_id', '=', String(chainId))
    .where('from_block', '<=', String(to))
    .where('to_block', '>=', String(from))
    .execute();
}

/** Deletes the records of failed proofs whose blocks are proved by now for every contract. */
export async function deleteSettledProofs(db: Kysely<DB>, chainId: number): Promise<void> {
  const everything = { chainId, from: 0, to: Number.MAX_SAFE_INTEGER, contracts: null };
  await sql`
    delete from indexer.failed_proofs failed
    where chain_id = ${chainId} and not exists (
      select from (${unprovedByContract(everything)}) contract
      where unproved && int8multirange(int8range(failed.from_block, failed.to_block, '[]')))
  `.execute(db);
}

/** Returns the failed proofs of a chain that overlap a range, lowest blocks first, at most `FAILED_PROOFS_LISTED_MAX`. */
export async function failedProofs(
  db: Kysely<DB>,
  chainId: number,
  { from, to }: BlockRange = { from: 0, to: Number.MAX_SAFE_INTEGER },
): Promise<readonly FailedProof[]> {
  const rows = await db
    .selectFrom('indexer.failed_proofs')
    .select(['from_block', 'to_block', 'reason'])
    .where('chain_id', '=', String(chainId))
    .where('from_block', '<=', String(to))
    .where('to_block', '>=', String(from))
    .orderBy('from_block')
    .limit(FAILED_PROOFS_LISTED_MAX)
    .execute();
  return rows.map((row) => ({ from: Number(row.from_block), to: Number(row.to_block), reason: row.reason }));
}
