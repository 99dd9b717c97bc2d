import { type Kysely, sql } from 'kysely';

/**
 * Addresses and hashes of EVM chains that the platform wrote in checksum case. `key` columns identify a row together with
 * the `within` columns: where two rows would become one, the one that is in the way stays as it was written.
 */
const TABLES: Readonly<Record<string, { within?: string[]; key?: string[]; other: string[] }>> = {
  master_contracts: {
    within: ['chain_id'],
    key: ['contract_address'],
    other: ['deployment_tx_hash', 'first_minter_wallet', 'second_minter_wallet', 'third_minter_wallet'],
  },
  dividend_contracts: {
    within: ['chain_id'],
    key: ['contract_address'],
    other: ['deployment_tx_hash', 'linked_master_contract'],
  },
  artist_tokens: { within: ['chain_id'], key: ['contract_address'], other: ['deployment_tx_hash'] },
  liquidity_pools: {
    within: ['chain_id'],
    key: ['pool_address'],
    other: ['token0_address', 'token1_address', 'created_at_tx_hash'],
  },
  master_nfts: {
    within: ['chain_id', 'token_id'],
    key: ['contract_address'],
    other: ['current_owner_wallet', 'original_minter_wallet', 'mint_tx_hash'],
  },
  token_holders: { within: ['artist_token_id'], key: ['wallet_address'], other: ['first_acquired_tx_hash'] },
  pool_positions: { within: ['liquidity_pool_id'], key: ['wallet_address'], other: ['entry_tx_hash'] },
  wallet_dividend_balances: {
    within: ['dividend_contract_id'],
    key: ['wallet_address', 'currency'],
    other: ['last_claim_tx_hash'],
  },
  nft_transfers: {
    other: ['contract_address', 'from_wallet', 'to_wallet', 'tx_hash', 'sale_currency', 'royalty_recipient'],
  },
  nft_ownership_snapshots: { other: ['contract_address', 'owner_wallet'] },
  pool_events: { other: ['pool_address', 'tx_hash', 'sender', 'recipient'] },
  dividend_events: { other: ['contract_address', 'tx_hash', 'currency', 'claimant_wallet'] },
  dividend_claims: { other: ['wallet_address', 'tx_hash', 'currency'] },
};

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, { within = [], key = [], other }] of Object.entries(TABLES)) {
    for (const column of other) await lowerColumn(db, table, column);
    if (key.length > 0) await lowerKey(db, table, within, key);
  }
}

/** Does nothing: the original case is not stored, and an address means the same in either case. */
export async function down(): Promise<void> {}

async function lowerColumn(db: Kysely<unknown>, table: string, column: string): Promise<void> {
  await sql`
    update ${sql.table(table)} set ${sql.ref(column)} = lower(${sql.ref(column)})
    where chain_id ~ '^[1-9][0-9]{0,17}$' and ${sql.ref(column)} ~ '^0x[0-9a-fA-F]*[A-F]'
  `.execute(db);
}

async function lowerKey(db: Kysely<unknown>, table: string, within: string[], key: string[]): Promise<void> {
  const lowered = (row: string) => sql.join(key.map((column) => sql`lower(${sql.ref(`${row}.${column}`)})`));
  const written = (row: string) => sql.join(key.map((column) => sql.ref(`${row}.${column}`)));
  const scope = (row: string) => sql.join(within.map((column) => sql.ref(`${row}.${column}`)));
  await sql`
    update ${sql.table(table)} mine
    set ${sql.join(key.map((column) => sql`${sql.ref(column)} = lower(${sql.ref(`mine.${column}`)})`))}
    where mine.chain_id ~ '^[1-9][0-9]{0,17}$' and mine.${sql.ref(key[0] ?? '')} ~ '^0x[0-9a-fA-F]+$'
      and (${written('mine')}) is distinct from (${lowered('mine')})
      and not exists (
        select from ${sql.table(table)} theirs
        where theirs.id <> mine.id and (${scope('theirs')}) = (${scope('mine')})
          and (${lowered('theirs')}) = (${lowered('mine')})
          and ((${written('theirs')}) = (${lowered('theirs')}) or theirs.id < mine.id)
      )
  `.execute(db);
}
