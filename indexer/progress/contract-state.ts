import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, toMultirange } from '../kernel/ranges.ts';
import {
  type ContractKey,
  coveredBlocks,
  liveBlocks,
  type RequestedContract,
  requestedRows,
  type Slice,
} from './contract-coverage.ts';

/** The condition that a contract was covered with the requested fingerprint (ABI versions and events), or is not covered yet. */
const hasSameFingerprint = sql<boolean>`coalesce(held.fingerprint, requested.fingerprint) = requested.fingerprint`;

/**
 * Returns an SQL expression for the new `coverage_note`, which says why history is incomplete. It is null if history is complete from the
 * deployment to `liveFrom`. Otherwise the existing note stays.
 */
function remainingNote(covered: RawBuilder<unknown>, liveFrom: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`case when ${covered} @> int8range(least(coalesce(held.deployed_at_block, 0), ${liveFrom}), ${liveFrom})
    and ${liveFrom} is not null then null else held.coverage_note end`;
}

/**
 * Returns an SQL expression over a row of `indexer.contracts`: the blocks in `proved`, and since `live_from` the verified blocks of the
 * chain, which are proved for every live contract. It is the new value of `proved` when the follower stops covering the contract.
 */
function provedWithLive(chainId: number): RawBuilder<string> {
  return sql`(proved + coalesce((select verified from indexer.chains where chain_id = ${chainId}), '{}') * ${liveBlocks})`;
}

/**
 * Records that the blocks of a slice are covered for its contracts, with the fingerprint of the events that were requested.
 *
 * @param proved the blocks of the slice that were read in full
 * @returns false if another commit covered part of the slice first, or if a contract is no longer active or is read with other events now.
 * The caller must then roll the transaction back and compute the missing blocks again.
 */
export async function claimCoverage(
  tx: Transaction,
  chainId: number,
  { contracts, blocks }: Slice,
  proved: readonly BlockRange[] = [],
): Promise<boolean> {
  const claimed = sql`${toMultirange(blocks)}::int8multirange`;
  const { numAffectedRows } = await sql`
    with requested as (
      select chain_id, address, kind, requested.fingerprint from indexer.contracts
      join ${requestedRows(contracts)} as requested using (address, kind)
      where chain_id = ${chainId}
      order by address, kind
      for no key update of contracts
    )
    update indexer.contracts held set covered = covered + ${claimed}, fingerprint = requested.fingerprint,
      proved = proved + ${toMultirange(proved)}::int8multirange, coverage_note = ${remainingNote(sql`(held.covered + ${claimed})`, sql`held.live_from`)}
    from requested
    where held.chain_id = requested.chain_id and held.address = requested.address and held.kind = requested.kind
      and held.status = 'active' and held.prepared_at is not null and ${hasSameFingerprint}
      and not held.covered && ${claimed} and (held.live_from is null or held.live_from > upper(${claimed}) - 1)
  `.execute(tx);
  return numAffectedRows === BigInt(contracts.length);
}

/**
 * Starts the follower's coverage of contracts at a block. Other processes notice it because `moveHead` increments the live version.
 *
 * @returns false if one of the contracts is no longer to be followed, or if its history is now read with other events
 */
export async function goLive(
  tx: Transaction,
  chainId: number,
  contracts: readonly RequestedContract[],
  from: number,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update indexer.contracts held set live_from = ${from}, fingerprint = requested.fingerprint,
      coverage_note = ${remainingNote(sql`held.covered`, sql`${from}::bigint`)}
    from ${requestedRows(contracts)} as requested
    where held.chain_id = ${chainId} and held.address = requested.address and held.kind = requested.kind
      and held.status = 'active' and held.live_from is null and ${hasSameFingerprint}
  `.execute(tx);
  return numAffectedRows === BigInt(contracts.length);
}

/** Records the fingerprints of live contracts that have none, because they were followed before fingerprints existed. */
export async function adoptFingerprints(db: Kysely<DB>, chainId: number, contracts: readonly RequestedContract[]) {
  await sql`
    update indexer.contracts held set fingerprint = requested.fingerprint
    from ${requestedRows(contracts)} as requested
    where held.chain_id = ${chainId} and held.address = requested.address and held.kind = requested.kind
      and held.fingerprint is null
  `.execute(db);
}

/** The reason and the blocks of a quarantine. */
export type Quarantining = {
  /** The block of the log that causes the quarantine. An unwind of this block lifts the quarantine. Undefined if the cause is no log. */
  readonly atBlock: number | undefined;
  /** The head, up to which a live contract is covered. */
  readonly coveredTo: number | undefined;
  readonly reason: string;
};

/** Quarantines a contract: its coverage up to `coveredTo` stays, and its logs are no longer requested. */
export async function quarantine(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
  { atBlock, coveredTo, reason }: Quarantining,
): Promise<void> {
  await updateContract(tx, chainId, { address, kind })
    .set({
      status: 'quarantined',
      status_reason: reason,
      quarantined_at_block: atBlock ?? null,
      covered: coveredBlocks(coveredTo ?? null),
      proved: provedWithLive(chainId),
      live_from: null,
    })
    .where('status', '=', 'active')
    .execute();
}

/** Returns the number of quarantined contracts of each chain that has any. */
export async function countQuarantined(db: Kysely<DB>): Promise<ReadonlyMap<number, number>> {
  const rows = await db
    .selectFrom('indexer.contracts')
    .select(({ fn }) => ['chain_id', fn.countAll<string>().as('count')])
    .where('status', '=', 'quarantined')
    .groupBy('chain_id')
    .execute();
  return new Map(rows.map(({ chain_id, count }) => [Number(chain_id), Number(count)]));
}

/** Lifts the quarantines of contracts, unless a log caused them. The follower covers the contracts again, and their gaps are filled. */
export async function reinstate(db: Kysely<DB>, chainId: number, contracts: readonly ContractKey[]): Promise<void> {
  await sql`
    update indexer.contracts held set status = 'active', status_reason = null
    from unnest(${contracts.map((c) => c.address)}::text[], ${contracts.map((c) => c.kind)}::text[]) as given (address, kind)
    where held.chain_id = ${chainId} and held.address = given.address and held.kind = given.kind
      and held.status = 'quarantined' and held.quarantined_at_block is null
  `.execute(db);
}

/**
 * Ends the follower's coverage of a contract at the head. The contract stays active, so that a newer program can follow it again.
 *
 * @param note the reason, which `indexer status` shows
 */
export async function suspend(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
  { head, note }: { readonly head: number | undefined; readonly note: string },
): Promise<void> {
  await updateContract(tx, chainId, { address, kind })
    .set({
      covered: coveredBlocks(head ?? null),
      proved: provedWithLive(chainId),
      live_from: null,
      coverage_note: note,
    })
    .where('live_from', 'is not', null)
    .execute();
}

/**
 * Ends the follower's coverage of every contract of a chain at the head, before the head is moved over a block that cannot be read. The
 * follower covers the contracts again from its next commit on, so this block becomes a gap.
 *
 * @param note the reason, which `indexer status` shows
 */
export async function suspendAll(
  tx: Transaction,
  chainId: number,
  { head, note }: { readonly head: number; readonly note: string },
): Promise<void> {
  await sql`
    update indexer.contracts set covered = ${coveredBlocks(head)}, proved = ${provedWithLive(chainId)},
      live_from = null, coverage_note = ${note}
    where chain_id = ${chainId} and live_from is not null
  `.execute(tx);
  // They have a meaning from `live_from` on only. Gaps between them would stay open for good.
  await sql`update indexer.chains set verified = '{}' where chain_id = ${chainId}`.execute(tx);
}

/** Ends the follower's coverage of a contract at the head, and removes `block` from the contract's coverage. */
export async function uncover(
  tx: Transaction,
  chainId: number,
  contract: ContractKey,
  { block, head }: { readonly block: number; readonly head: number },
): Promise<void> {
  const blocks = sql`int8multirange(int8range(${block}::bigint, ${block}::bigint, '[]'))`;
  await updateContract(tx, chainId, contract)
    .set({
      covered: sql`${coveredBlocks(head)} - ${blocks}`,
      proved: sql`${provedWithLive(chainId)} - ${blocks}`,
      live_from: null,
    })
    .execute();
}

/** Stops following the contracts at an address, of one kind or of all kinds. Their coverage up to the head stays. */
export async function removeContracts(
  tx: Transaction,
  chainId: number,
  address: Hex,
  kind: ContractKind | undefined,
): Promise<readonly { readonly kind: ContractKind; readonly platformId: string }[]> {
  const { rows } = await sql<{ kind: ContractKind; platformId: string }>`
    update indexer.contracts contract set
      covered = ${coveredBlocks(sql`chain.head_number`)}, proved = ${provedWithLive(chainId)}, live_from = null, coverage_note = null,
      -- a contract whose rows are still to be deleted keeps the reason
      status = 'removed', status_reason = case when contract.status = 'removed' then contract.status_reason end, quarantined_at_block = null,
      metadata_read_at = null
    from (values (${chainId}::bigint)) as given (chain_id) left join indexer.chains chain using (chain_id)
    where contract.chain_id = given.chain_id and contract.address = ${address}
      and (${kind ?? null}::text is null or contract.kind = ${kind ?? null})
    returning contract.kind, contract.platform_id as "platformId"
  `.execute(tx);
  return rows;
}

/** Clears the coverage of a contract whose rows are deleted. The contract's state is reset before it is followed again. */
export async function clearCoverage(tx: Transaction, chainId: number, { address, kind }: ContractKey): Promise<void> {
  await updateContract(tx, chainId, { address, kind })
    .set({ covered: '{}', metadata_read_at: null, prepared_at: null })
    .execute();
}

/** The old and the new fingerprint of a contract whose history is to be read again. `note` is the reason that `indexer status` shows. */
export type Rereading = {
  readonly oldFingerprint: string | null;
  readonly newFingerprint: string;
  readonly note: string;
};

/**
 * Empties a contract's coverage, so that its history is read again with other events. The caller deletes the facts in the same
 * transaction and holds the chain's lock exclusively.
 *
 * @returns false if another process emptied the coverage first, or if the contract is no longer followed
 */
export async function resetCoverageForReread(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
  { oldFingerprint, newFingerprint, note }: Rereading,
): Promise<boolean> {
  const { numUpdatedRows } = await updateContract(tx, chainId, { address, kind })
    .set({
      covered: '{}',
      live_from: null,
      fingerprint: newFingerprint,
      coverage_note: sql`case when covered = '{}' and live_from is null then coverage_note else ${note} end`,
    })
    .where('status', '=', 'active')
    .where('fingerprint', 'is not distinct from', oldFingerprint)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Removes coverage above `toBlock` (undefined: all coverage), and lifts quarantines whose cause is a log above `toBlock`. */
export async function unwindCoverage(tx: Transaction, chainId: number, toBlock: number | undefined): Promise<void> {
  const keep = toBlock ?? -1;
  const above = sql`int8multirange(int8range(${keep + 1}, null))`;
  const live = toBlock === undefined ? sql`null::bigint` : sql`least(live_from, ${keep + 1}::bigint)`;
  await sql`
    update indexer.contracts set
      covered = covered - ${above},
      proved = proved - ${above},
      live_from = case when live_from is not null then ${live} end,
      status = case when quarantined_at_block > ${keep} then 'active' else status end,
      status_reason = case when quarantined_at_block > ${keep} then null else status_reason end,
      quarantined_at_block = case when quarantined_at_block > ${keep} then null else quarantined_at_block end
    where chain_id = ${chainId}
      and (covered && ${above} or proved && ${above} or quarantined_at_block > ${keep} or live_from > ${keep + 1}
        or live_from is not null and ${toBlock === undefined})
  `.execute(tx);
}

/** Returns the beginning of an update statement for a contract's row. */
export function updateContract(db: Kysely<DB>, chainId: number, { address, kind }: ContractKey) {
  return db
    .updateTable('indexer.contracts')
    .where('chain_id', '=', String(chainId))
    .where('address', '=', address)
    .where('kind', '=', kind);
}
