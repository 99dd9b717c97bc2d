import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import { EVM_CHAIN_ID } from '../kernel/patterns.ts';
import { registerAnnounced } from '../progress/contract-registration.ts';
import { linkDividendMasters } from './dividend-masters.ts';

/** The tables in which the platform announces contracts, and their address columns. */
const REGISTRIES = [
  ['master_contracts', 'contract_address'],
  ['dividend_contracts', 'contract_address'],
  ['artist_tokens', 'contract_address'],
  ['liquidity_pools', 'pool_address'],
] as const;

/**
 * Registers contracts whose rows the platform inserted while the indexer's triggers were disabled, or before the triggers existed. Skips
 * rows of chains that are not EVM chains, and rows with malformed addresses. Contracts that are registered already keep their coverage.
 * Also links dividend contracts to masters.
 *
 * @returns the chains that have new contracts
 */
export async function registerPlatformRows(db: Kysely<DB>): Promise<readonly number[]> {
  for (const [table, address] of REGISTRIES) await normaliseAddresses(db, table, address);
  const chains = await registerAnnounced(
    db,
    sql`
      select id, chain_id, contract_address as address, 'master' as kind, abi_version, deployed_at_block from master_contracts
      union all
      select id, chain_id, contract_address, 'dividend', null, deployed_at_block from dividend_contracts
      union all
      select id, chain_id, contract_address, 'artist_token', null, deployed_at_block from artist_tokens
      union all
      select id, chain_id, pool_address, 'pool', null, created_at_block from liquidity_pools`,
  );
  await linkDividendMasters(db);
  return chains;
}

/** Converts addresses in checksum case to lower case, except where another row has the lower-case address already. */
async function normaliseAddresses(db: Kysely<DB>, table: string, column: string): Promise<void> {
  const address = sql.ref(column);
  await sql`
    update ${sql.table(table)} announced set ${address} = lower(${address})
    where chain_id ~ ${EVM_CHAIN_ID.source} and ${address} <> lower(${address}) and not exists (
      select from ${sql.table(table)} other where other.chain_id = announced.chain_id and other.${address} = lower(announced.${address}))
  `.execute(db);
}
