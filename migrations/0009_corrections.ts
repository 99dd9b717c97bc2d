import { type Kysely, sql } from 'kysely';
import { attempt } from './attempt.ts';

/** Columns whose catalogue type cannot hold what a chain says: table, column, type of the catalogue, type from here on. */
const WIDENED = [
  // A currency is a token's address of 42 characters.
  ['dividend_claims', 'currency', 'varchar(20)', 'varchar(255)'],
  ['dividend_events', 'currency', 'varchar(20)', 'varchar(255)'],
  ['master_ipos', 'mint_price_currency', 'varchar(20)', 'varchar(255)'],
  ['master_nfts', 'listing_currency', 'varchar(20)', 'varchar(255)'],
  ['nft_transfers', 'sale_currency', 'varchar(20)', 'varchar(255)'],
  ['wallet_dividend_balances', 'currency', 'varchar(20)', 'varchar(255)'],
  // Providers emit synthetic indices near 2^32.
  ['dividend_events', 'log_index', 'integer', 'bigint'],
  ['nft_transfers', 'log_index', 'integer', 'bigint'],
  // decimals() is a uint8.
  ['artist_tokens', 'decimals', 'varchar(2)', 'varchar(3)'],
  // Supplies pass 2^31; a royalty is a uint96.
  ['master_contracts', 'contract_royalty_bps', 'integer', 'numeric'],
  ['master_contracts', 'contract_total_supply', 'integer', 'bigint'],
  ['master_ipos', 'minted_supply', 'integer', 'bigint'],
  ['master_ipos', 'total_supply', 'integer', 'bigint'],
  // A hostile token's sums pass 78 digits, which would stop the batch that holds them.
  ['artist_tokens', 'circulating_supply', 'numeric(78,0)', 'numeric'],
  ['artist_tokens', 'total_supply', 'numeric(78,0)', 'numeric'],
  ['dividend_contracts', 'total_dividends_distributed', 'numeric(78,0)', 'numeric'],
  ['dividend_contracts', 'total_revenue_deposited', 'numeric(78,0)', 'numeric'],
  ['master_nfts', 'total_dividends_received', 'numeric(78,0)', 'numeric'],
  ['pool_positions', 'lp_token_balance', 'numeric(78,0)', 'numeric'],
  ['pool_positions', 'token0_amount', 'numeric(78,0)', 'numeric'],
  ['pool_positions', 'token1_amount', 'numeric(78,0)', 'numeric'],
  ['token_holders', 'balance', 'numeric(78,0)', 'numeric'],
  ['wallet_dividend_balances', 'claimable_amount', 'numeric(78,0)', 'numeric'],
  ['wallet_dividend_balances', 'total_claimed', 'numeric(78,0)', 'numeric'],
  ['wallet_dividend_balances', 'total_earned', 'numeric(78,0)', 'numeric'],
] as const;

/** Columns that the catalogue requires and that a chain does not always give: a dividend contract may serve an artist. */
const OPTIONAL = [
  ['dividend_claims', 'master_id'],
  ['wallet_dividend_balances', 'master_id'],
] as const;

/** Supplies and reserves start at 0. */
const STARTING_AT_ZERO = [
  ['artist_tokens', 'total_supply'],
  ['liquidity_pools', 'reserve0'],
  ['liquidity_pools', 'reserve1'],
] as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, column, , type] of WIDENED) await alterColumn(db, table, column, `type ${type}`);
  for (const [table, column] of OPTIONAL) await alterColumn(db, table, column, 'drop not null');
  for (const [table, column] of STARTING_AT_ZERO) {
    await alterColumn(db, table, column, 'set default 0');
    await sql`update ${sql.table(table)} set ${sql.ref(column)} = 0 where ${sql.ref(column)} is null`.execute(db);
  }
}

/** A column that holds what the catalogue's type refuses stays as it is: narrowing it would cost rows. */
export async function down(db: Kysely<unknown>): Promise<void> {
  for (const [table, column] of STARTING_AT_ZERO) await alterColumn(db, table, column, 'drop default');
  for (const [table, column] of OPTIONAL) {
    await attempt(db, () => alterColumn(db, table, column, 'set not null'));
  }
  for (const [table, column, type] of WIDENED) {
    await attempt(db, () => alterColumn(db, table, column, `type ${type}`));
  }
}

async function alterColumn(db: Kysely<unknown>, table: string, column: string, change: string): Promise<void> {
  await sql`alter table ${sql.table(table)} alter column ${sql.ref(column)} ${sql.raw(change)}`.execute(db);
}
