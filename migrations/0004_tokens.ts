import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Artist tokens, their holders and pools. */
const module: CatalogueModule = {
  enums: {
    pool_type: ['uniswap_v2', 'uniswap_v3', 'sushiswap', 'raydium', 'orca', 'custom'],
    pool_event_type: ['add_liquidity', 'remove_liquidity', 'swap'],
    token_type: ['artist_coin', 'platform_token', 'governance'],
  },
  tables: {
    artist_tokens: sql`
      id uuid not null default gen_random_uuid() primary key,
      artist_id uuid not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      name varchar(100) not null,
      symbol varchar(20) not null,
      decimals varchar(2) not null default '18',
      total_supply numeric(78,0) not null,
      circulating_supply numeric(78,0),
      deployment_tx_hash varchar(255),
      deployed_at_block numeric(20,0),
      deployed_at timestamptz,
      logo_url text,
      description text,
      is_tradable boolean not null default false,
      trading_enabled_at timestamptz,
      last_price_usd numeric(28,18),
      market_cap_usd numeric(28,8),
      volume_24h_usd numeric(28,8),
      price_change_24h numeric(10,4),
      holders_count numeric(20,0),
      last_market_data_update timestamptz,
      last_indexed_block numeric(20,0),
      last_indexed_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    token_holders: sql`
      id uuid not null default gen_random_uuid() primary key,
      artist_token_id uuid not null,
      wallet_address varchar(255) not null,
      chain_id varchar(50) not null,
      balance numeric(78,0) not null default '0',
      first_acquired_at timestamptz,
      first_acquired_tx_hash varchar(255),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    liquidity_pools: sql`
      id uuid not null default gen_random_uuid() primary key,
      artist_token_id uuid not null,
      chain_id varchar(50) not null,
      pool_address varchar(255) not null,
      pool_type pool_type not null,
      token0_address varchar(255) not null,
      token1_address varchar(255) not null,
      token0_symbol varchar(20),
      token1_symbol varchar(20),
      reserve0 numeric(78,0),
      reserve1 numeric(78,0),
      fee numeric(10,6),
      total_value_locked_usd numeric(28,8),
      volume_24h_usd numeric(28,8),
      created_at_block numeric(20,0),
      created_at_tx_hash varchar(255),
      last_indexed_block numeric(20,0),
      last_indexed_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    pool_events: sql`
      id uuid not null default gen_random_uuid() primary key,
      liquidity_pool_id uuid not null,
      artist_token_id uuid not null,
      event_type pool_event_type not null,
      chain_id varchar(50) not null,
      pool_address varchar(255) not null,
      tx_hash varchar(255) not null,
      block_number numeric(20,0) not null,
      block_timestamp timestamptz not null,
      amount0 numeric(78,0),
      amount1 numeric(78,0),
      amount_usd numeric(28,8),
      sender varchar(255),
      recipient varchar(255),
      created_at timestamptz not null default now()
    `,
    pool_positions: sql`
      id uuid not null default gen_random_uuid() primary key,
      liquidity_pool_id uuid not null,
      wallet_address varchar(255) not null,
      chain_id varchar(50) not null,
      lp_token_balance numeric(78,0) not null,
      token0_amount numeric(78,0),
      token1_amount numeric(78,0),
      position_value_usd numeric(28,8),
      entered_at timestamptz,
      entry_tx_hash varchar(255),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'artist_tokens.artist_id': sql`
      alter table artist_tokens add constraint artist_tokens_artist_id_artists_id_fk
      foreign key (artist_id) references artists (id)
    `,
    'token_holders.artist_token_id': sql`
      alter table token_holders add constraint token_holders_artist_token_id_artist_tokens_id_fk
      foreign key (artist_token_id) references artist_tokens (id)
    `,
    'liquidity_pools.artist_token_id': sql`
      alter table liquidity_pools add constraint liquidity_pools_artist_token_id_artist_tokens_id_fk
      foreign key (artist_token_id) references artist_tokens (id)
    `,
    'pool_events.artist_token_id': sql`
      alter table pool_events add constraint pool_events_artist_token_id_artist_tokens_id_fk
      foreign key (artist_token_id) references artist_tokens (id)
    `,
    'pool_events.liquidity_pool_id': sql`
      alter table pool_events add constraint pool_events_liquidity_pool_id_liquidity_pools_id_fk
      foreign key (liquidity_pool_id) references liquidity_pools (id)
    `,
    'pool_positions.liquidity_pool_id': sql`
      alter table pool_positions add constraint pool_positions_liquidity_pool_id_liquidity_pools_id_fk
      foreign key (liquidity_pool_id) references liquidity_pools (id)
    `,
  },
  indexes: {
    artist_tokens_artist_chain_idx: sql`
      create unique index artist_tokens_artist_chain_idx on artist_tokens (artist_id, chain_id)
    `,
    artist_tokens_artist_id_idx: sql`create index artist_tokens_artist_id_idx on artist_tokens (artist_id)`,
    artist_tokens_chain_address_idx: sql`
      create unique index artist_tokens_chain_address_idx on artist_tokens (chain_id, contract_address)
    `,
    artist_tokens_symbol_idx: sql`create index artist_tokens_symbol_idx on artist_tokens (symbol)`,
    artist_tokens_tradable_idx: sql`create index artist_tokens_tradable_idx on artist_tokens (is_tradable)`,
    token_holders_balance_idx: sql`create index token_holders_balance_idx on token_holders (balance)`,
    token_holders_token_wallet_idx: sql`
      create unique index token_holders_token_wallet_idx on token_holders (artist_token_id, wallet_address)
    `,
    token_holders_wallet_idx: sql`create index token_holders_wallet_idx on token_holders (wallet_address)`,
    liquidity_pools_artist_token_idx: sql`
      create index liquidity_pools_artist_token_idx on liquidity_pools (artist_token_id)
    `,
    liquidity_pools_chain_pool_idx: sql`
      create unique index liquidity_pools_chain_pool_idx on liquidity_pools (chain_id, pool_address)
    `,
    liquidity_pools_pool_type_idx: sql`create index liquidity_pools_pool_type_idx on liquidity_pools (pool_type)`,
    liquidity_pools_tvl_idx: sql`create index liquidity_pools_tvl_idx on liquidity_pools (total_value_locked_usd)`,
    pool_events_artist_token_idx: sql`create index pool_events_artist_token_idx on pool_events (artist_token_id)`,
    pool_events_block_timestamp_idx: sql`create index pool_events_block_timestamp_idx on pool_events (block_timestamp)`,
    pool_events_event_type_idx: sql`create index pool_events_event_type_idx on pool_events (event_type)`,
    pool_events_pool_id_idx: sql`create index pool_events_pool_id_idx on pool_events (liquidity_pool_id)`,
    pool_events_tx_idx: sql`create unique index pool_events_tx_idx on pool_events (tx_hash)`,
    pool_positions_pool_wallet_idx: sql`
      create unique index pool_positions_pool_wallet_idx on pool_positions (liquidity_pool_id, wallet_address)
    `,
    pool_positions_value_idx: sql`create index pool_positions_value_idx on pool_positions (position_value_usd)`,
    pool_positions_wallet_idx: sql`create index pool_positions_wallet_idx on pool_positions (wallet_address)`,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
