import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';

/**
 * Registers what the platform announced while its trigger was away (disabled, or the rows are older than it). Rows of
 * chains that are not EVM and addresses that are none are passed over; what is registered keeps its coverage.
 *
 * @returns the chains that have something new
 */
export async function registerPlatformRows(db: Kysely<DB>): Promise<readonly number[]> {
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
      select chain_id::bigint, lower(address), kind, id, coalesce(abi_version, '1.0'), deployed_at_block::bigint
      from announced
      where chain_id ~ '^[1-9][0-9]{0,17}$' and lower(address) ~ '^0x[0-9a-f]{40}$'
      order by 1, 2, 3
      on conflict (chain_id, address, kind) do update set platform_id = excluded.platform_id
      where known.platform_id <> excluded.platform_id
      returning chain_id
    )
    select distinct chain_id from registered order by chain_id
  `.execute(db);
  return rows.map((row) => Number(row.chain_id));
}
