import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { toMultirange } from '../kernel/ranges.ts';
import { type AskedContract, askedRows, type ContractKey, coveredBlocks, type Slice } from './contract-coverage.ts';

/** The fingerprint that coverage was read with is what this commit was asked with, or there is no coverage yet. */
const sameFingerprint = sql<boolean>`coalesce(held.fingerprint, asked.fingerprint) = asked.fingerprint`;

/** The note that stays: none once a row's history is complete from its deployment to where the follower covers it. */
function noteAfter(covered: RawBuilder<unknown>, liveFrom: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`case when ${covered} @> int8range(least(coalesce(held.deployed_at_block, 0), ${liveFrom}), ${liveFrom})
    and ${liveFrom} is not null then null else held.coverage_note end`;
}

/**
 * Claims that a slice's facts are all present, and remembers what was asked for.
 *
 * @returns false when another commit claimed part of it first, or the contract's history is read with other events by now: the
 * transaction must then be rolled back and trimmed anew.
 */
export async function claimCoverage(tx: Transaction, chainId: number, { contracts, missing }: Slice): Promise<boolean> {
  const claimed = sql`${toMultirange(missing)}::int8multirange`;
  const { numAffectedRows } = await sql`
    with asked as (
      select chain_id, address, kind, asked.fingerprint from indexer.contracts
      join ${askedRows(contracts)} as asked using (address, kind)
      where chain_id = ${chainId}
      order by address, kind
      for no key update of contracts
    )
    update indexer.contracts held set covered = covered + ${claimed}, fingerprint = asked.fingerprint,
      coverage_note = ${noteAfter(sql`(held.covered + ${claimed})`, sql`held.live_from`)}
    from asked
    where held.chain_id = asked.chain_id and held.address = asked.address and held.kind = asked.kind
      and held.status = 'active' and held.prepared_at is not null and ${sameFingerprint}
      and not held.covered && ${claimed} and (held.live_from is null or held.live_from > upper(${claimed}) - 1)
  `.execute(tx);
  return numAffectedRows === BigInt(contracts.length);
}

/**
 * Lets the follower cover contracts from a block on. The head's compare-and-set makes it known to other processes.
 *
 * @returns false when one of them is not to be followed any more, or its history is read with other events by now.
 */
export async function goLive(
  tx: Transaction,
  chainId: number,
  contracts: readonly AskedContract[],
  from: number,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update indexer.contracts held set live_from = ${from}, fingerprint = asked.fingerprint,
      coverage_note = ${noteAfter(sql`held.covered`, sql`${from}::bigint`)}
    from ${askedRows(contracts)} as asked
    where held.chain_id = ${chainId} and held.address = asked.address and held.kind = asked.kind
      and held.status = 'active' and held.live_from is null and ${sameFingerprint}
  `.execute(tx);
  return numAffectedRows === BigInt(contracts.length);
}

/** Remembers what live contracts are asked for that were followed before fingerprints were kept. */
export async function adoptFingerprints(db: Kysely<DB>, chainId: number, contracts: readonly AskedContract[]) {
  await sql`
    update indexer.contracts held set fingerprint = asked.fingerprint
    from ${askedRows(contracts)} as asked
    where held.chain_id = ${chainId} and held.address = asked.address and held.kind = asked.kind and held.fingerprint is null
  `.execute(db);
}

/** Why a contract is set aside, and where. */
export type Quarantining = {
  /** The block that shows why; an unwind below it lifts the quarantine. Undefined where the reason lies in the registry. */
  readonly atBlock: number | undefined;
  /** The head, up to which a live contract is covered. */
  readonly coveredTo: number | undefined;
  readonly reason: string;
};

/** Sets a contract aside with a reason. What it covers up to `coveredTo` stays; nothing more is asked of it. */
export async function quarantine(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
  { atBlock, coveredTo, reason }: Quarantining,
): Promise<void> {
  await sql`
    update indexer.contracts set
      status = 'quarantined', status_reason = ${reason}, quarantined_at_block = ${atBlock ?? null},
      covered = ${coveredBlocks(coveredTo ?? null)}, live_from = null
    where chain_id = ${chainId} and address = ${address} and kind = ${kind} and status = 'active'
  `.execute(tx);
}

/** Lifts quarantines whose reason lay in the registry. The contracts join the head again, and their gaps are filled. */
export async function reinstate(db: Kysely<DB>, chainId: number, contracts: readonly ContractKey[]): Promise<void> {
  await sql`
    update indexer.contracts held set status = 'active', status_reason = null
    from unnest(${contracts.map((c) => c.address)}::text[], ${contracts.map((c) => c.kind)}::text[]) as asked (address, kind)
    where held.chain_id = ${chainId} and held.address = asked.address and held.kind = asked.kind
      and held.status = 'quarantined' and held.quarantined_at_block is null
  `.execute(db);
}

/**
 * Ends the follower's coverage of a contract at the head. It stays active, so that a program that can read it goes on.
 *
 * @param note why, as `status` shows it
 */
export async function suspend(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
  { head, note }: { readonly head: number | undefined; readonly note: string },
): Promise<void> {
  await sql`
    update indexer.contracts set covered = ${coveredBlocks(head ?? null)}, live_from = null, coverage_note = ${note}
    where chain_id = ${chainId} and address = ${address} and kind = ${kind} and live_from is not null
  `.execute(tx);
}

/**
 * Ends the follower's coverage of every contract of a chain at the head. They join again with the next commit; the blocks between
 * are a gap like any other.
 *
 * @param note why, as `status` shows it
 */
export async function suspendAll(
  tx: Transaction,
  chainId: number,
  { head, note }: { readonly head: number; readonly note: string },
): Promise<void> {
  await sql`
    update indexer.contracts set covered = ${coveredBlocks(head)}, live_from = null, coverage_note = ${note}
    where chain_id = ${chainId} and live_from is not null
  `.execute(tx);
}

/** Ends following contracts of an address, of one kind or of all. What they cover up to the head stays. */
export async function removeContracts(
  tx: Transaction,
  chainId: number,
  address: Hex,
  kind: ContractKind | undefined,
): Promise<readonly { readonly kind: ContractKind; readonly platformId: string }[]> {
  const { rows } = await sql<{ kind: ContractKind; platformId: string }>`
    update indexer.contracts contract set
      covered = ${coveredBlocks(sql`chain.head_number`)}, live_from = null, coverage_note = null,
      status = 'removed', status_reason = null, quarantined_at_block = null
    from (values (${chainId}::bigint)) as asked (chain_id) left join indexer.chains chain using (chain_id)
    where contract.chain_id = asked.chain_id and contract.address = ${address}
      and (${kind ?? null}::text is null or contract.kind = ${kind ?? null})
    returning contract.kind, contract.platform_id as "platformId"
  `.execute(tx);
  return rows;
}

/** Forgets what a contract covers and what was read of it, because its rows are deleted. It is prepared again before it is followed. */
export async function clearCoverage(tx: Transaction, chainId: number, { address, kind }: ContractKey): Promise<void> {
  await rowOf(tx, chainId, { address, kind })
    .set({ covered: '{}', metadata_read_at: null, prepared_at: null })
    .execute();
}

/** What a contract's history was read with, what it is to be read with, and what to say of it. */
export type Rereading = { readonly held: string | null; readonly asked: string; readonly note: string };

/**
 * Empties a contract's coverage, so that its history is read anew with other events. The caller takes its facts away in the
 * same transaction, under the chain's exclusive lock.
 *
 * @returns false when another process did it first, or the contract is not followed any more.
 */
export async function readAnew(
  tx: Transaction,
  chainId: number,
  { address, kind }: ContractKey,
  { held, asked, note }: Rereading,
): Promise<boolean> {
  const { numUpdatedRows } = await rowOf(tx, chainId, { address, kind })
    .set({
      covered: '{}',
      live_from: null,
      fingerprint: asked,
      coverage_note: sql`case when covered = '{}' and live_from is null then coverage_note else ${note} end`,
    })
    .where('status', '=', 'active')
    .where('fingerprint', 'is not distinct from', held)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Takes coverage above a block back, and lifts quarantines that a block above it caused. Undefined takes everything back. */
export async function unwindCoverage(tx: Transaction, chainId: number, toBlock: number | undefined): Promise<void> {
  const keep = toBlock ?? -1;
  const above = sql`int8multirange(int8range(${keep + 1}, null))`;
  const live = toBlock === undefined ? sql`null::bigint` : sql`least(live_from, ${keep + 1}::bigint)`;
  await sql`
    update indexer.contracts set
      covered = covered - ${above},
      live_from = case when live_from is not null then ${live} end,
      status = case when quarantined_at_block > ${keep} then 'active' else status end,
      status_reason = case when quarantined_at_block > ${keep} then null else status_reason end,
      quarantined_at_block = case when quarantined_at_block > ${keep} then null else quarantined_at_block end
    where chain_id = ${chainId}
      and (covered && ${above} or quarantined_at_block > ${keep} or live_from > ${keep + 1}
        or live_from is not null and ${toBlock === undefined})
  `.execute(tx);
}

/** Begins an update of a contract's row. */
export function rowOf(db: Kysely<DB>, chainId: number, { address, kind }: ContractKey) {
  return db
    .updateTable('indexer.contracts')
    .where('chain_id', '=', String(chainId))
    .where('address', '=', address)
    .where('kind', '=', kind);
}
