import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import { EVM_CHAIN_ID, LOWERCASE_ADDRESS } from '../kernel/patterns.ts';

/** Where the platform announces contracts: table, column of the address. */
const REGISTRIES = [
  ['master_contracts', 'contract_address'],
  ['dividend_contracts', 'contract_address'],
  ['artist_tokens', 'contract_address'],
  ['liquidity_pools', 'pool_address'],
] as const;

/**
 * Registers what the platform announced while its triggers were away (disabled, or the rows are older than they are). Rows of
 * chains that are not EVM and addresses that are none are passed over; what is registered keeps its coverage.
 *
 * @returns the chains that have something new
 */
export async function registerPlatformRows(db: Kysely<DB>): Promise<readonly number[]> {
  for (const [table, address] of REGISTRIES) await normaliseAddresses(db, table, address);
  const { rows } = await sql<{ chain_id: string }>`
    with announced as (
      select id, chain_id, contract_address as address, 'master' as kind, abi_version, deployed_at_block from master_contracts
      union all
      select id, chain_id, contract_address, 'dividend', null, deployed_at_block from dividend_contracts
      union all
      select id, chain_id, contract_address, 'artist_token', null, deployed_at_block from artist_tokens
      union all
      select id, chain_id, pool_address, 'pool', null, created_at_block from liquidity_pools
    ),
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

/** Lower-cases addresses that came in checksum case, except where a row has the lower-case one already. */
async function normaliseAddresses(db: Kysely<DB>, table: string, column: string): Promise<void> {
  const address = sql.ref(column);
  await sql`
    update ${sql.table(table)} given set ${address} = lower(${address})
    where chain_id ~ ${EVM_CHAIN_ID.source} and ${address} <> lower(${address}) and not exists (
      select from ${sql.table(table)} other where other.chain_id = given.chain_id and other.${address} = lower(given.${address}))
  `.execute(db);
}
