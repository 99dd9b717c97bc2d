import { addressesOf, type Row, type Rows, type Subjects } from './view.ts';

/** As much of a connection of `pg` as is needed here. */
export type Queryable = {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
};

/** What a table keeps of the compared contracts: `key` and the compared columns as text. */
type Stored = { readonly of: 'masters' | 'dividends' | 'artistTokens' | 'pools' | 'all'; readonly sql: string };

const SECONDS = (column: string): string => `extract(epoch from ${column})::bigint::text`;
const ORIGIN = `contract_address as contract, tx_hash, block_hash, ${SECONDS('block_timestamp')} as block_timestamp`;
const AT = `block_number::text || ':' || log_index`;
/** $1 is the chain, $2 the addresses. */
const OURS = `chain_id = $1::text and contract_address = any($2)`;
const MACHINERY = `chain_id = $1::text::bigint and address = any($2)`;

/** Plain SQL over each table, written apart from the program's own queries. */
const STORED: Readonly<Record<string, Stored>> = {
  nft_transfers: {
    of: 'masters',
    sql: `select ${AT} || ':' || token_id as key, ${ORIGIN}, token_id::text, from_wallet as "from", to_wallet as "to",
        transfer_type::text as type, sale_price_wei::text as price, sale_currency as currency
      from nft_transfers where ${OURS}`,
  },
  master_nfts: {
    of: 'masters',
    sql: `select contract_address || ':' || token_id as key, current_owner_wallet as owner, original_minter_wallet as minter,
        mint_tx_hash, minted_at_block::text, ${SECONDS('minted_at')} as minted_at, mint_price_wei::text as mint_price,
        is_first_minter::text as first, is_second_minter::text as second, is_third_minter::text as third
      from master_nfts where ${OURS}`,
  },
  master_contracts: {
    of: 'masters',
    sql: `select contract_address as key, first_minter_wallet as first, second_minter_wallet as second,
        third_minter_wallet as third, contract_royalty_bps::text as royalty_bps, minted_supply::text
      from master_contracts where ${OURS}`,
  },
  token_transfers: {
    of: 'artistTokens',
    sql: `select ${AT} as key, ${ORIGIN}, from_wallet as "from", to_wallet as "to", value::text
      from token_transfers where ${OURS}`,
  },
  token_holders: {
    of: 'artistTokens',
    sql: `select token.contract_address || ':' || held.wallet_address as key, held.balance::text,
        ${SECONDS('held.first_acquired_at')} as acquired_at, held.first_acquired_tx_hash as acquired_tx_hash
      from token_holders held join artist_tokens token on token.id = held.artist_token_id
      where token.chain_id = $1::text and token.contract_address = any($2)`,
  },
  artist_tokens: {
    of: 'artistTokens',
    sql: `select contract_address as key, total_supply::text, coalesce(holders_count, 0)::text as holders_count
      from artist_tokens where ${OURS}`,
  },
  pool_events: {
    of: 'pools',
    sql: `select ${AT} as key, pool_address as contract, tx_hash, block_hash, ${SECONDS('block_timestamp')} as block_timestamp,
        event_type::text as type, amount0::text, amount1::text, sender, recipient
      from pool_events where chain_id = $1::text and pool_address = any($2)`,
  },
  liquidity_pools: {
    of: 'pools',
    sql: `select pool_address as key, coalesce(reserve0, 0)::text as reserve0, coalesce(reserve1, 0)::text as reserve1,
        lp_total_supply::text
      from liquidity_pools where chain_id = $1::text and pool_address = any($2)`,
  },
  pool_positions: {
    of: 'pools',
    sql: `select pool.pool_address || ':' || position.wallet_address as key, position.lp_token_balance::text as balance,
        ${SECONDS('position.entered_at')} as acquired_at, position.entry_tx_hash as acquired_tx_hash
      from pool_positions position join liquidity_pools pool on pool.id = position.liquidity_pool_id
      where pool.chain_id = $1::text and pool.pool_address = any($2)`,
  },
  dividend_events: {
    of: 'dividends',
    sql: `select ${AT} as key, ${ORIGIN}, total_amount::text as amount, currency, event_type::text as type,
        per_token_amount::text as per_token, claimant_wallet as claimant, claimant_token_id::text as token_id
      from dividend_events where ${OURS}`,
  },
  dividend_claims: {
    of: 'dividends',
    sql: `select ${AT} as key, contract.contract_address as contract, tx_hash, block_hash,
        ${SECONDS('block_timestamp')} as block_timestamp, currency, wallet_address as wallet, token_id::text,
        amount_claimed::text as amount, gas_used::text, gas_price_wei::text as gas_price
      from dividend_claims claim join dividend_contracts contract on contract.id = claim.dividend_contract_id
      where contract.chain_id = $1::text and contract.contract_address = any($2)`,
  },
  dividend_contracts: {
    of: 'dividends',
    sql: `select contract_address as key, coalesce(total_revenue_deposited, 0)::text as deposited,
        coalesce(total_dividends_distributed, 0)::text as distributed
      from dividend_contracts where ${OURS}`,
  },
  contract_events: {
    of: 'all',
    sql: `select ${AT} as key, address as contract, tx_hash, block_hash, ${SECONDS('block_timestamp')} as block_timestamp, event,
        arguments
      from indexer.contract_events where ${MACHINERY}`,
  },
  dead_letters: {
    of: 'all',
    sql: `select ${AT} as key, address as contract, tx_hash, block_hash, data
      from indexer.dead_letters where kind = 'log' and ${MACHINERY}`,
  },
};

/** The rows that a table keeps of the subjects; a key that comes twice is told with a suffix, so that it is a difference. */
export async function storedRows(db: Queryable, chainId: number, table: string, subjects: Subjects): Promise<Rows> {
  const stored = STORED[table];
  if (stored === undefined) return new Map();
  const addresses = stored.of === 'all' ? addressesOf(subjects) : subjects[stored.of];
  const { rows } = await db.query(stored.sql, [String(chainId), addresses]);
  const byKey: Rows = new Map();
  for (const { key, ...columns } of rows) {
    const row = columns as Row;
    byKey.set(byKey.has(String(key)) ? `${key} (again)` : String(key), row);
  }
  return byKey;
}

/** The tables that can be compared. */
export const STORED_TABLES: readonly string[] = Object.keys(STORED);
