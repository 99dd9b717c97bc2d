import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Revenue and dividends. */
const module: CatalogueModule = {
  enums: {
    dividend_distribution_model: ['per_master', 'per_artist', 'platform'],
    revenue_source_type: [
      'manual',
      'distributor',
      'pro',
      'sync',
      'merchandise',
      'live',
      'direct',
      'secondary',
      'other',
    ],
    revenue_event_status: ['pending', 'verified', 'deposited', 'distributed', 'failed', 'disputed'],
    dividend_event_type: ['deposit', 'distribution', 'claim'],
  },
  tables: {
    dividend_contracts: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid,
      artist_id uuid,
      distribution_model dividend_distribution_model not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      deployment_tx_hash varchar(255),
      deployed_at_block numeric(20,0),
      deployed_at timestamptz,
      linked_master_contract varchar(255),
      total_revenue_deposited numeric(78,0) default '0',
      total_dividends_distributed numeric(78,0) default '0',
      last_indexed_block numeric(20,0),
      last_indexed_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    revenue_events: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid not null,
      source_type revenue_source_type not null,
      source_name varchar(200),
      external_reference varchar(255),
      amount numeric(28,8) not null,
      currency varchar(10) not null,
      amount_usd numeric(28,8),
      period_start timestamptz,
      period_end timestamptz,
      status revenue_event_status not null default 'pending',
      verified_at timestamptz,
      verified_by uuid,
      deposited_to_contract_id uuid,
      deposit_tx_hash varchar(255),
      deposited_at timestamptz,
      document_url text,
      notes text,
      metadata jsonb,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    dividend_events: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid,
      dividend_contract_id uuid not null,
      event_type dividend_event_type not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      tx_hash varchar(255) not null,
      block_number numeric(20,0) not null,
      log_index integer not null,
      block_timestamp timestamptz not null,
      total_amount numeric(78,0) not null,
      currency varchar(20) not null,
      claimant_wallet varchar(255),
      claimant_token_id numeric(78,0),
      total_holders_at_distribution integer,
      per_token_amount numeric(78,0),
      revenue_event_id uuid,
      created_at timestamptz not null default now()
    `,
    dividend_claims: sql`
      id uuid not null default gen_random_uuid() primary key,
      wallet_address varchar(255) not null,
      master_id uuid not null,
      dividend_contract_id uuid not null,
      master_nft_id uuid,
      token_id numeric(78,0),
      amount_claimed numeric(78,0) not null,
      currency varchar(20) not null,
      tx_hash varchar(255) not null,
      block_number numeric(20,0) not null,
      block_timestamp timestamptz not null,
      chain_id varchar(50) not null,
      gas_used numeric(20,0),
      gas_price_wei numeric(78,0),
      created_at timestamptz not null default now()
    `,
    wallet_dividend_balances: sql`
      id uuid not null default gen_random_uuid() primary key,
      wallet_address varchar(255) not null,
      master_id uuid not null,
      dividend_contract_id uuid not null,
      chain_id varchar(50) not null,
      total_earned numeric(78,0) not null default '0',
      total_claimed numeric(78,0) not null default '0',
      claimable_amount numeric(78,0) not null default '0',
      currency varchar(20) not null,
      last_claimed_at timestamptz,
      last_claim_tx_hash varchar(255),
      tokens_held integer not null default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'dividend_contracts.artist_id': sql`
      alter table dividend_contracts add constraint dividend_contracts_artist_id_artists_id_fk
      foreign key (artist_id) references artists (id)
    `,
    'dividend_contracts.master_id': sql`
      alter table dividend_contracts add constraint dividend_contracts_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'revenue_events.deposited_to_contract_id': sql`
      alter table revenue_events add constraint revenue_events_deposited_to_contract_id_dividend_contracts_id_f
      foreign key (deposited_to_contract_id) references dividend_contracts (id)
    `,
    'revenue_events.master_id': sql`
      alter table revenue_events add constraint revenue_events_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'dividend_events.dividend_contract_id': sql`
      alter table dividend_events add constraint dividend_events_dividend_contract_id_dividend_contracts_id_fk
      foreign key (dividend_contract_id) references dividend_contracts (id)
    `,
    'dividend_events.master_id': sql`
      alter table dividend_events add constraint dividend_events_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'dividend_events.revenue_event_id': sql`
      alter table dividend_events add constraint dividend_events_revenue_event_id_revenue_events_id_fk
      foreign key (revenue_event_id) references revenue_events (id)
    `,
    'dividend_claims.dividend_contract_id': sql`
      alter table dividend_claims add constraint dividend_claims_dividend_contract_id_dividend_contracts_id_fk
      foreign key (dividend_contract_id) references dividend_contracts (id)
    `,
    'dividend_claims.master_id': sql`
      alter table dividend_claims add constraint dividend_claims_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'dividend_claims.master_nft_id': sql`
      alter table dividend_claims add constraint dividend_claims_master_nft_id_master_nfts_id_fk
      foreign key (master_nft_id) references master_nfts (id)
    `,
    'wallet_dividend_balances.dividend_contract_id': sql`
      alter table wallet_dividend_balances add constraint wallet_dividend_balances_dividend_contract_id_dividend_contract
      foreign key (dividend_contract_id) references dividend_contracts (id)
    `,
    'wallet_dividend_balances.master_id': sql`
      alter table wallet_dividend_balances add constraint wallet_dividend_balances_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
  },
  indexes: {
    dividend_contracts_artist_id_idx: sql`
      create index dividend_contracts_artist_id_idx on dividend_contracts (artist_id)
    `,
    dividend_contracts_chain_address_idx: sql`
      create unique index dividend_contracts_chain_address_idx on dividend_contracts (chain_id, contract_address)
    `,
    dividend_contracts_master_id_idx: sql`
      create index dividend_contracts_master_id_idx on dividend_contracts (master_id)
    `,
    revenue_events_created_at_idx: sql`create index revenue_events_created_at_idx on revenue_events (created_at)`,
    revenue_events_master_id_idx: sql`create index revenue_events_master_id_idx on revenue_events (master_id)`,
    revenue_events_period_start_idx: sql`create index revenue_events_period_start_idx on revenue_events (period_start)`,
    revenue_events_source_type_idx: sql`create index revenue_events_source_type_idx on revenue_events (source_type)`,
    revenue_events_status_idx: sql`create index revenue_events_status_idx on revenue_events (status)`,
    dividend_events_block_number_idx: sql`
      create index dividend_events_block_number_idx on dividend_events (block_number)
    `,
    dividend_events_block_timestamp_idx: sql`
      create index dividend_events_block_timestamp_idx on dividend_events (block_timestamp)
    `,
    dividend_events_claimant_wallet_idx: sql`
      create index dividend_events_claimant_wallet_idx on dividend_events (claimant_wallet)
    `,
    dividend_events_contract_id_idx: sql`
      create index dividend_events_contract_id_idx on dividend_events (dividend_contract_id)
    `,
    dividend_events_event_type_idx: sql`create index dividend_events_event_type_idx on dividend_events (event_type)`,
    dividend_events_master_id_idx: sql`create index dividend_events_master_id_idx on dividend_events (master_id)`,
    dividend_events_tx_log_idx: sql`
      create unique index dividend_events_tx_log_idx on dividend_events (tx_hash, log_index)
    `,
    dividend_claims_block_timestamp_idx: sql`
      create index dividend_claims_block_timestamp_idx on dividend_claims (block_timestamp)
    `,
    dividend_claims_master_id_idx: sql`create index dividend_claims_master_id_idx on dividend_claims (master_id)`,
    dividend_claims_tx_hash_idx: sql`create unique index dividend_claims_tx_hash_idx on dividend_claims (tx_hash)`,
    dividend_claims_wallet_idx: sql`create index dividend_claims_wallet_idx on dividend_claims (wallet_address)`,
    wallet_dividends_claimable_idx: sql`
      create index wallet_dividends_claimable_idx on wallet_dividend_balances (claimable_amount)
    `,
    wallet_dividends_master_id_idx: sql`
      create index wallet_dividends_master_id_idx on wallet_dividend_balances (master_id)
    `,
    wallet_dividends_wallet_idx: sql`
      create index wallet_dividends_wallet_idx on wallet_dividend_balances (wallet_address)
    `,
    wallet_dividends_wallet_master_chain_idx: sql`
      create unique index wallet_dividends_wallet_master_chain_idx on wallet_dividend_balances (wallet_address, master_id, chain_id)
    `,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
