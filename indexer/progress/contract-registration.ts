import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Transaction } from '../db/transaction.ts';
import type { AbiUpgrade, ContractKind, Hex } from '../kernel/chain.ts';
import { EVM_CHAIN_ID, LOWERCASE_ADDRESS } from '../kernel/patterns.ts';
import type { ContractKey } from './contract-coverage.ts';
import { rowOf } from './contract-state.ts';

/** A contract as it is registered. */
export type Registration = ContractKey & {
  readonly chainId: number;
  /** Its row in the platform's table of such contracts. */
  readonly platformId: string;
  readonly abiVersion: string;
  readonly deployedAtBlock: number | undefined;
};

/**
 * Registers a contract, or restores one that was removed. An earlier deployment block than the known one counts.
 *
 * @returns what it did; `unchanged` where the contract was followed already.
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
 * Registers what the platform announced and no trigger registered. A contract that is announced by another row than before
 * begins from nothing; one whose address the platform corrected is retired. All in one statement.
 *
 * @param announced rows `(id, chain_id, address, kind, abi_version, deployed_at_block)`; other chains than EVM chains are skipped
 * @returns the chains that have something new
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
 * Marks the contracts of a chain whose state was made that of no facts, so that they can be followed.
 *
 * @param formerTo SQL over the row `contract`: the newest block of the facts that the platform's former indexer left of it
 * @returns how many contracts were marked.
 */
export async function markPrepared(tx: Transaction, chainId: number, formerTo: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows } = await sql`
    update indexer.contracts contract set prepared_at = now(), retired_ids = '{}', former_to = ${formerTo}
    where chain_id = ${chainId} and prepared_at is null
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/** Remembers where a contract begins, once found. What was known already stays. */
export async function recordDeployment(
  db: Kysely<DB>,
  { chainId, address, kind }: ContractKey & { readonly chainId: number },
  block: number,
): Promise<void> {
  await rowOf(db, chainId, { address, kind })
    .set({ deployed_at_block: block })
    .where('deployed_at_block', 'is', null)
    .execute();
}

/** Remembers that a contract's name, symbol or tokens were read from the chain. */
export async function markMetadataRead(
  db: Kysely<DB>,
  { chainId, address, kind }: ContractKey & { readonly chainId: number },
): Promise<void> {
  await rowOf(db, chainId, { address, kind }).set({ metadata_read_at: sql`now()` }).execute();
}

/** A contract's ABI versions as the registry holds them. */
export type AbiVersions = ContractKey & { readonly abiVersion: string; readonly upgrades: readonly AbiUpgrade[] };

/** Reads the ABI versions of the contracts at an address and locks their rows until the transaction ends. */
export async function lockAbiVersions(tx: Transaction, chainId: number, address: Hex): Promise<readonly AbiVersions[]> {
  const rows = await tx
    .selectFrom('indexer.contracts as contract')
    .select((eb) => [
      'kind',
      'abi_version',
      'upgrades',
      // The platform may change the version of a master.
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

/** Records the later ABI versions of a contract, ordered by block. */
export async function recordUpgrades(
  tx: Transaction,
  chainId: number,
  contract: ContractKey,
  upgrades: readonly AbiUpgrade[],
): Promise<void> {
  await rowOf(tx, chainId, contract)
    .set({ upgrades: JSON.stringify(upgrades) })
    .execute();
}
