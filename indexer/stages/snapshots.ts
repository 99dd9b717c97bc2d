import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import { type Hex, ZERO_ADDRESS } from '../kernel/chain.ts';
import { type BlockSpan, isInSpan, servedMasters } from './served-masters.ts';
import type { Advance, Stage } from './stage.ts';

/** A request for a snapshot of the owners of a master's tokens at the end of a block. */
export type SnapshotRequest = {
  readonly chainId: number;
  readonly contract: Hex;
  readonly block: number;
  readonly reason: string;
};

/** The value of `snapshot_log_index` in a snapshot of the end of a block. It is larger than the index of any log. */
const END_OF_BLOCK = sql`4294967295::bigint`;

/**
 * Takes snapshots of the owners of a master's tokens (`nft_ownership_snapshots`): one at the position of each distribution, for each
 * master that the dividend contract serves, and one for each request. An operator can turn off the snapshots at distributions. Also
 * counts the owners at each distribution (`dividend_events.total_holders_at_distribution`).
 */
export const snapshots: Stage = { name: 'snapshots', advance, unwind };

async function advance(tx: Transaction, { chainId, from, to }: Advance): Promise<number> {
  const span = { chainId, from: from?.number ?? -1, to: to.number };
  let rows = await takeSnapshots(tx, chainId, requestedMoments(span, sql`true`));
  const distributions = distributionMoments(span);
  if (!(await hasDistributions(tx, span))) return rows;
  rows += await takeSnapshots(tx, chainId, sql`select * from (${distributions}) moment where ${isWanted(chainId)}`);
  return rows + (await countHolders(tx, span, distributions));
}

/**
 * Deletes the snapshots above a block that were taken at distributions or for requests, and clears the counts of owners above the block.
 * Snapshots without a log index belong to the platform and are not deleted.
 */
async function unwind(tx: Transaction, chainId: number, to: number): Promise<void> {
  // This statement uses the index nft_snapshots_position_token_idx. In this index the contract address comes before the block, so the
  // statement names the addresses by a join with `master_contracts`.
  await sql`
    delete from nft_ownership_snapshots snapshot using master_contracts master
    where master.chain_id = ${String(chainId)} and snapshot.chain_id = master.chain_id
      and snapshot.contract_address = master.contract_address and snapshot.snapshot_block_number > ${to}::numeric
      and snapshot.snapshot_log_index is not null
      and (snapshot.snapshot_reason = 'dividend' or exists (
        select from indexer.snapshot_requests request
        where request.chain_id = ${chainId} and request.contract_address = snapshot.contract_address
          and request.block_number = snapshot.snapshot_block_number and request.reason = snapshot.snapshot_reason))
  `.execute(tx);
  await sql`
    update dividend_events event set total_holders_at_distribution = null
    where event.chain_id = ${String(chainId)} and event.block_number > ${to}::numeric and event.block_hash is not null
      and event.total_holders_at_distribution is not null
  `.execute(tx);
}

/** Takes the snapshots of a master at all distributions up to a block. Returns the number of rows written. */
export async function takeDistributionSnapshots(
  tx: Transaction,
  chainId: number,
  to: number,
  contract: Hex,
): Promise<number> {
  const distributions = distributionMoments({ chainId, from: -1, to });
  return takeSnapshots(tx, chainId, sql`select * from (${distributions}) moment where contract_address = ${contract}`);
}

/** Returns the condition that the master in a row `moment` gets snapshots at distributions: no operator turned them off. */
function isWanted(chainId: number): RawBuilder<boolean> {
  return sql`not exists (
    select from indexer.snapshot_settings held
    where held.chain_id = ${chainId} and held.contract_address = moment.contract_address and not held.dividend)`;
}

/** Takes a requested snapshot as of a block that the stage `snapshots` has already reached. Returns the number of rows written. */
export async function takeRequestedSnapshot(tx: Transaction, request: SnapshotRequest): Promise<number> {
  const { chainId, contract, block, reason } = request;
  const span = { chainId, from: block - 1, to: block };
  const isRequest = sql<boolean>`request.contract_address = ${contract} and request.reason = ${reason}`;
  return takeSnapshots(tx, chainId, requestedMoments(span, isRequest));
}

/**
 * Returns a query for the snapshots to take at the distributions in a span of blocks. Each row has the master, the block and log index of
 * the distribution, and `position`, the first position whose transfer is not part of the snapshot.
 */
function distributionMoments(span: BlockSpan): RawBuilder<unknown> {
  return sql`
    select event.id as event_id, master.id as master_contract_id, master.master_id, master.contract_address, event.position,
      event.block_number, event.log_index, event.block_timestamp, 'dividend' as reason
    from dividend_events event
    join (${servedMasters(span.chainId)}) serves using (dividend_contract_id)
    join master_contracts master on master.chain_id = event.chain_id and master.contract_address = serves.contract_address
    where ${isInSpan('event', span)} and event.event_type = 'distribution'`;
}

/** Returns a query, with the columns of `distributionMoments`, for the requested snapshots whose block is in a span. */
function requestedMoments({ chainId, from, to }: BlockSpan, isRequest: RawBuilder<boolean>): RawBuilder<unknown> {
  // After a reorg the time in a request can be wrong. The time in the checkpoint is right, because the follower stores a checkpoint of each
  // block that a reorg can replace.
  return sql`
    select null::uuid as event_id, master.id as master_contract_id, master.master_id, master.contract_address,
      (request.block_number + 1) * 4294967296 as position, request.block_number::numeric as block_number,
      ${END_OF_BLOCK} as log_index, coalesce(checkpoint.timestamp, request.block_timestamp) as block_timestamp, request.reason
    from indexer.snapshot_requests request
    join master_contracts master
      on master.chain_id = request.chain_id::text and master.contract_address = request.contract_address
    left join indexer.block_checkpoints checkpoint
      on checkpoint.chain_id = request.chain_id and checkpoint.number = request.block_number
    where request.chain_id = ${chainId} and request.block_number > ${from} and request.block_number <= ${to} and ${isRequest}`;
}

/**
 * Returns the common table expressions `moment` and `owned`. `moment` has the snapshots to take, and `owned` has the tokens that exist in
 * each of them, with their owners. The transfers of a master are read once for all its snapshots. The receiver of a transfer is the owner
 * until the token's next transfer.
 */
function ownedAt(moments: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    moment as materialized (${moments}),
    held as (
      select token.master_contract_id, token.token_id, fact.to_wallet as owner, fact.position as since,
        lead(fact.position, 1, 9223372036854775807) over (partition by fact.master_nft_id order by fact.position) as until
      from master_nfts token join nft_transfers fact on fact.master_nft_id = token.id
      where token.master_contract_id in (select master_contract_id from moment) and fact.block_hash is not null
        and fact.position < (select max(position) from moment)
    ),
    owned as (
      select moment.*, held.token_id, held.owner
      from moment join held on held.master_contract_id = moment.master_contract_id
        and held.since < moment.position and held.until >= moment.position
      where held.owner <> ${ZERO_ADDRESS}
    )`;
}

/** Writes the snapshots that the query `moments` selects. Returns the number of rows that were missing or different. */
async function takeSnapshots(tx: Transaction, chainId: number, moments: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows } = await sql`
    with ${ownedAt(moments)}
    insert into nft_ownership_snapshots as snapshot (id, master_id, token_id, chain_id, contract_address, owner_wallet,
      snapshot_timestamp, snapshot_block_number, snapshot_log_index, snapshot_reason)
    select indexer.derived_id('nft_ownership_snapshots:' || ${String(chainId)} || ':' || contract_address || ':' || block_number || ':'
        || log_index || ':' || reason || ':' || token_id),
      master_id, token_id, ${String(chainId)}, contract_address, owner, block_timestamp, block_number, log_index, reason
    from owned
    on conflict (chain_id, contract_address, snapshot_block_number, snapshot_log_index, snapshot_reason, token_id) do update set
      master_id = excluded.master_id, owner_wallet = excluded.owner_wallet, snapshot_timestamp = excluded.snapshot_timestamp
    where (snapshot.master_id, snapshot.owner_wallet, snapshot.snapshot_timestamp)
      is distinct from (excluded.master_id, excluded.owner_wallet, excluded.snapshot_timestamp)
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/** Sets `total_holders_at_distribution`, the number of owners, of each distribution in a span. The number is 0 if no token existed. */
async function countHolders(tx: Transaction, span: BlockSpan, moments: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows } = await sql`
    with ${ownedAt(moments)},
    counted as (select event_id, count(distinct owner) as holders from owned group by event_id)
    update dividend_events event set total_holders_at_distribution = coalesce(counted.holders, 0)
    from dividend_events same left join counted on counted.event_id = same.id
    where event.id = same.id and ${isInSpan('event', span)} and event.event_type = 'distribution'
      and event.total_holders_at_distribution is distinct from coalesce(counted.holders, 0)
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/** Returns whether a span has a distribution. Most commits of the follower have none. */
async function hasDistributions(tx: Transaction, span: BlockSpan): Promise<boolean> {
  const { rows } = await sql`
    select from dividend_events event where ${isInSpan('event', span)} and event.event_type = 'distribution' limit 1
  `.execute(tx);
  return rows.length > 0;
}
