import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { AbiUpgrade, ContractKind, Hex } from '../kernel/chain.ts';
import { EVM_CHAIN_ID, LOWERCASE_ADDRESS } from '../kernel/patterns.ts';
import type { ContractKey } from './contract-coverage.ts';
import { updateContract } from './contract-state.ts';

/** The properties with which a contract is registered. */
export type Registration = ContractKey & {
  readonly chainId: number;
  /** The id of the contract's row in the platform's table for its kind. */
  readonly platformId: string;
  readonly abiVersion: string;
  readonly deployedAtBlock: number | undefined;
};

/**
 * Registers a contract, or restores one that was removed. If the contract is registered already, the lower deployment block is kept.
 *
 * @returns `unchanged` if the contract was registered already and had not been removed
 */
export async function registerContract(
  tx: Transaction,
  { chainId, address, kind, platformId, abiVersion, deployedAtBlock }: Registration,
): Promise<'added' | 'restored' | 'unchanged'> {
  const { rows } = await sql<{ inserted: boolean; restored: boolean }>`
    with before as (
      select status, created_at = now() as fresh from indexer.contracts
      where chain_id = ${chainId} and address = ${address} and kind = ${kind}
    )
    insert into indexer.contracts as held (chain_id, address, kind, platform_id, abi_version, deployed_at_block)
    values (${chainId}, ${address}, ${kind}, ${platformId}, ${abiVersion}, ${deployedAtBlock ?? null})
    on conflict (chain_id, address, kind) do update set
      deployed_at_block = least(held.deployed_at_block, excluded.deployed_at_block),
      status = case when held.status = 'removed' then 'active' else held.status end,
      status_reason = case when held.status = 'removed' then null else held.status_reason end
    returning coalesce((select fresh from before), true) as inserted,
      coalesce((select status = 'removed' from before), false) as restored
  `.execute(tx);
  const { inserted, restored } = rows[0] ?? { inserted: false, restored: false };
  if (restored) return 'restored';
  return inserted ? 'added' : 'unchanged';
}

/**
 * Registers contracts that the platform announced and that no trigger registered, in one statement. If a contract is now announced by
 * another row of the platform than before, the contract starts over without coverage. If the platform corrected the address of a row, the
 * contract at the old address is no longer followed.
 *
 * @param announced a query for rows `(id, chain_id, address, kind, abi_version, deployed_at_block)`. Rows of chains that are not EVM chains
 * are skipped.
 * @returns the ids of the chains with newly registered contracts
 */
export async function registerAnnounced(db: Kysely<DB>, announced: RawBuilder<unknown>): Promise<readonly number[]> {
  const { rows } = await sql<{ chain_id: string }>`
    with announced as (${announced}),
    registered as (
      insert into indexer.contracts as known (chain_id, address, kind, platform_id, abi_version, deployed_at_block)
      select chain_id::bigint, address, kind, id, coalesce(abi_version, '1.0'),
        case when deployed_at_block < 1e18 then deployed_at_block::bigint end
      from announced
      where chain_id ~ ${EVM_CHAIN_ID.source} and address ~ ${LOWERCASE_ADDRESS.source} and not exists (
        select from indexer.contracts same
        where same.chain_id::text = announced.chain_id and same.address = announced.address and same.kind = announced.kind
          and same.platform_id = announced.id)
      order by 1, 2, 3
      on conflict (chain_id, address, kind) do update set
        platform_id = excluded.platform_id, covered = '{}', live_from = null, prepared_at = null, metadata_read_at = null,
        status = 'active', status_reason = null, quarantined_at_block = null
      returning chain_id
    ),
    retired as (
      select indexer.retire_contracts(announced.id, announced.chain_id, announced.address)
      from announced join indexer.contracts known on known.platform_id = announced.id
      where (known.chain_id::text, known.address) is distinct from (announced.chain_id, announced.address)
        and (known.status <> 'removed' or known.covered <> '{}')
    ),
    changed as (
      update indexer.chains set live_version = live_version + 1 where chain_id in (select chain_id from registered)
    )
    select distinct chain_id from registered where (select count(*) from retired) >= 0 order by chain_id
  `.execute(db);
  return rows.map((row) => Number(row.chain_id));
}

/**
 * Marks all unprepared contracts of a chain as prepared, so that they are followed. Their state must have been reset.
 *
 * @param formerTo an SQL expression over the row `contract`: the newest block with a fact of the platform's former indexer
 * @returns the number of contracts marked
 */
export async function markPrepared(
  tx: Transaction,
  chainId: number,
  formerTo: RawBuilder<string | null>,
): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('indexer.contracts as contract')
    .set({ prepared_at: sql`now()`, retired_ids: [], former_to: formerTo })
    .where('chain_id', '=', String(chainId))
    .where('prepared_at', 'is', null)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

/** Records the deployment block of a contract. Does nothing if a block is recorded already. */
export async function recordDeployment(
  db: Kysely<DB>,
  { chainId, address, kind }: ContractKey & { readonly chainId: number },
  block: number,
): Promise<void> {
  await updateContract(db, chainId, { address, kind })
    .set({ deployed_at_block: block, deployment_note: null })
    .where('deployed_at_block', 'is', null)
    .execute();
}

/**
 * Records that the time and the transaction of a contract's deployment were read.
 *
 * @param proved the deployment block, if a receipt proves it. If the recorded block is later, it is lowered to `proved`, and the blocks
 * between them become a gap in the contract's history
 */
export async function recordDeploymentRead(
  db: Kysely<DB>,
  { chainId, address, kind }: ContractKey & { readonly chainId: number },
  proved: number | null,
): Promise<void> {
  await updateContract(db, chainId, { address, kind })
    .set({
      deployment_read_at: sql`now()`,
      ...(proved !== null && { deployed_at_block: sql<string>`least(deployed_at_block, ${proved}::bigint)` }),
    })
    .execute();
}

/** Records why the deployment block of a contract is unknown. */
export async function recordUnknownDeployment(
  db: Kysely<DB>,
  { chainId, address, kind }: ContractKey & { readonly chainId: number },
  reason: string,
): Promise<void> {
  await updateContract(db, chainId, { address, kind }).set({ deployment_note: reason }).execute();
}

/** The result of comparing a contract's answers to calls with its protocol. */
export type Recognition = {
  /** The protocol and version with which the answers were compared. Null if the contract has no code yet. */
  readonly comparedWith: string | null;
  /** Whether the contract implements the protocol. Null if the answers do not decide this. */
  readonly speaks: boolean | null;
  /**
   * What the contract is instead of what it was registered as, what its answers or its code lack, or that it has no code. Null if there is
   * nothing to report.
   */
  readonly note: string | null;
};

/** Records the result of comparing a contract's answers with its protocol. After a comparison, the contract's metadata counts as read. */
export async function recordIdentity(
  db: Kysely<DB>,
  { chainId, address, kind }: ContractKey & { readonly chainId: number },
  { comparedWith, speaks, note }: Recognition,
): Promise<void> {
  await updateContract(db, chainId, { address, kind })
    .set({
      identified_as: comparedWith,
      speaks_protocol: speaks,
      identity_note: note,
      ...(comparedWith !== null && { metadata_read_at: sql<Date>`now()` }),
    })
    .execute();
}

/** The ABI versions of a contract in the registry. */
export type AbiVersions = ContractKey & { readonly abiVersion: string; readonly upgrades: readonly AbiUpgrade[] };

/** Reads the ABI versions of the contracts at an address and locks their rows until the transaction ends. */
export async function lockAbiVersions(tx: Transaction, chainId: number, address: Hex): Promise<readonly AbiVersions[]> {
  const rows = await tx
    .selectFrom('indexer.contracts as contract')
    .select((eb) => [
      'kind',
      'abi_version',
      'upgrades',
      // The platform may change the ABI version in its own row of a master.
      eb
        .selectFrom('master_contracts')
        .select('abi_version')
        .whereRef('id', '=', 'platform_id')
        .as('master_abi_version'),
    ])
    .where('chain_id', '=', String(chainId))
    .where('address', '=', address)
    .where('status', '<>', 'removed')
    .orderBy('kind')
    .forNoKeyUpdate()
    .execute();
  return rows.map((row) => ({
    address,
    kind: row.kind as ContractKind,
    abiVersion: row.master_abi_version ?? row.abi_version,
    upgrades: row.upgrades as unknown as readonly AbiUpgrade[],
  }));
}

/** Records all upgrades of a contract to other ABI versions, ordered by block. They replace the recorded upgrades. */
export async function recordUpgrades(
  tx: Transaction,
  chainId: number,
  contract: ContractKey,
  upgrades: readonly AbiUpgrade[],
): Promise<void> {
  await updateContract(tx, chainId, contract)
    .set({ upgrades: JSON.stringify(upgrades) })
    .execute();
}
