import { type Kysely, type RawBuilder, sql } from 'kysely';
import { foreignKeyName } from './adopt.ts';
import { attempt } from './attempt.ts';

type Db = Kysely<unknown>;

/**
 * What places a fact in the chain, and what a merge of facts into state compares. Facts that the platform wrote before have
 * nulls here.
 */
const COLUMNS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  nft_transfers: { block_hash: 'varchar(66)' },
  pool_events: { log_index: 'bigint', block_hash: 'varchar(66)' },
  dividend_events: { block_hash: 'varchar(66)' },
  dividend_claims: { log_index: 'bigint', block_hash: 'varchar(66)' },
  nft_ownership_snapshots: { snapshot_log_index: 'bigint' },
  master_nfts: {
    last_position: 'bigint',
    first_mint_position: 'bigint',
    mint_count: 'bigint not null default 0',
  },
  master_contracts: {
    minted_supply: 'bigint not null default 0',
    third_mint_position: 'bigint',
    royalty_position: 'bigint',
  },
  token_holders: { first_position: 'bigint', first_acquired_position: 'bigint' },
  liquidity_pools: { reserve_position: 'bigint', lp_total_supply: 'numeric not null default 0' },
  pool_positions: {
    tick_lower: 'integer',
    tick_upper: 'integer',
    first_position: 'bigint',
    entry_position: 'bigint',
  },
};

const FACTS = ['nft_transfers', 'pool_events', 'dividend_events', 'dividend_claims'] as const;

/**
 * Unique indexes of the catalogue that a chain breaks. Each keeps its name, and its columns too unless new ones are given,
 * but holds nothing back; what identifies a row instead is among the new indexes.
 */
const LOOSENED = [
  { name: 'nft_transfers_tx_log_idx', table: 'nft_transfers', columns: 'tx_hash, log_index' },
  { name: 'pool_events_tx_idx', table: 'pool_events', columns: 'tx_hash' },
  { name: 'dividend_events_tx_log_idx', table: 'dividend_events', columns: 'tx_hash, log_index' },
  { name: 'dividend_claims_tx_hash_idx', table: 'dividend_claims', columns: 'tx_hash' },
  {
    name: 'wallet_dividends_wallet_master_chain_idx',
    table: 'wallet_dividend_balances',
    columns: 'wallet_address, master_id, chain_id',
  },
] as const;

const NEW_INDEXES: Readonly<Record<string, RawBuilder<unknown>>> = {
  nft_transfers_block_log_idx: sql`
    create unique index nft_transfers_block_log_idx on nft_transfers (chain_id, block_number, log_index, token_id)
    where block_hash is not null
  `,
  pool_events_block_log_idx: sql`
    create unique index pool_events_block_log_idx on pool_events (chain_id, block_number, log_index)
    where block_hash is not null
  `,
  dividend_events_block_log_idx: sql`
    create unique index dividend_events_block_log_idx on dividend_events (chain_id, block_number, log_index)
    where block_hash is not null
  `,
  dividend_claims_block_log_idx: sql`
    create unique index dividend_claims_block_log_idx on dividend_claims (chain_id, block_number, log_index)
    where block_hash is not null
  `,
  wallet_dividends_wallet_contract_currency_idx: sql`
    create unique index wallet_dividends_wallet_contract_currency_idx
    on wallet_dividend_balances (wallet_address, dividend_contract_id, currency)
  `,
  nft_snapshots_position_token_idx: sql`
    create unique index nft_snapshots_position_token_idx on nft_ownership_snapshots
    (chain_id, contract_address, snapshot_block_number, snapshot_log_index, snapshot_reason, token_id)
  `,
  // For the foreign key's check when an unwind deletes tokens.
  dividend_claims_master_nft_id_idx: sql`
    create index dividend_claims_master_nft_id_idx on dividend_claims (master_nft_id) where master_nft_id is not null
  `,
  // For the claims whose token was not known when they were read.
  dividend_claims_unlinked_idx: sql`
    create index dividend_claims_unlinked_idx on dividend_claims (dividend_contract_id, token_id) where master_nft_id is null
  `,
  // For the first three minters of a contract, and who they were before an unwind.
  nft_transfers_mints_idx: sql`
    create index nft_transfers_mints_idx on nft_transfers (chain_id, contract_address, position, token_id)
    where transfer_type = 'mint'
  `,
  master_nfts_movers_idx: sql`
    create index master_nfts_movers_idx on master_nfts (master_contract_id)
    where is_first_minter or is_second_minter or is_third_minter
  `,
};

export async function up(db: Db): Promise<void> {
  for (const [table, columns] of Object.entries(COLUMNS)) {
    for (const [column, type] of Object.entries(columns)) {
      await sql`alter table ${sql.table(table)} add column if not exists ${sql.ref(column)} ${sql.raw(type)}`.execute(
        db,
      );
    }
  }
  for (const table of FACTS) {
    await sql`
      alter table ${sql.table(table)} add column if not exists position bigint
      generated always as ((block_number * 4294967296 + log_index)::bigint) stored
    `.execute(db);
  }
  for (const { name, table, columns } of LOOSENED) await replaceIndex(db, name, table, '', columns);
  // One wallet has many ranges in a V3 pool, and one position without ticks in a V2 pool.
  await replaceIndex(
    db,
    'pool_positions_pool_wallet_idx',
    'pool_positions',
    'unique',
    'liquidity_pool_id, wallet_address, tick_lower, tick_upper',
    'nulls not distinct',
  );
  for (const statement of Object.values(NEW_INDEXES)) await statement.execute(db);
  await alterTokenReference(db, 'deferrable initially immediate');
}

/** A column stays where rows hold something in it, and an index stays loose where rows would break it. */
export async function down(db: Db): Promise<void> {
  await alterTokenReference(db, 'not deferrable');
  for (const name of Object.keys(NEW_INDEXES).reverse()) await sql`drop index if exists ${sql.ref(name)}`.execute(db);
  await attempt(db, () =>
    replaceIndex(db, 'pool_positions_pool_wallet_idx', 'pool_positions', 'unique', 'liquidity_pool_id, wallet_address'),
  );
  for (const { name, table, columns } of LOOSENED) {
    await attempt(db, () => replaceIndex(db, name, table, 'unique', columns));
  }
  for (const table of FACTS) await sql`alter table ${sql.table(table)} drop column position`.execute(db);
  for (const [table, columns] of Object.entries(COLUMNS)) {
    for (const [column, type] of Object.entries(columns)) await dropUnused(db, table, column, type);
  }
}

/** The platform may have made its unique index as a constraint. */
async function replaceIndex(
  db: Db,
  name: string,
  table: string,
  kind: '' | 'unique',
  columns: string,
  nulls = '',
): Promise<void> {
  await sql`alter table ${sql.table(table)} drop constraint if exists ${sql.ref(name)}`.execute(db);
  await sql`drop index if exists ${sql.ref(name)}`.execute(db);
  await sql`
    create ${sql.raw(kind)} index ${sql.ref(name)} on ${sql.table(table)} (${sql.raw(columns)}) ${sql.raw(nulls)}
  `.execute(db);
}

/** A commit writes facts before the fold that makes the row of their token, so it defers the check. */
async function alterTokenReference(db: Db, timing: string): Promise<void> {
  const name = await foreignKeyName(db, 'nft_transfers.master_nft_id');
  if (name === undefined) throw new Error('nft_transfers.master_nft_id has no foreign key');
  await sql`alter table nft_transfers alter constraint ${sql.ref(name)} ${sql.raw(timing)}`.execute(db);
}

async function dropUnused(db: Db, table: string, column: string, type: string): Promise<void> {
  const unused = type.endsWith('default 0') ? sql`0` : sql`null`;
  const { rows } = await sql`
    select from ${sql.table(table)} where ${sql.ref(column)} is distinct from ${unused} limit 1
  `.execute(db);
  if (rows.length === 0) await sql`alter table ${sql.table(table)} drop column ${sql.ref(column)}`.execute(db);
}
