import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Masters, their contracts, tokens and transfers. */
const module: CatalogueModule = {
  enums: {
    master_type: ['track', 'album'],
    master_status: ['draft', 'pending', 'approved', 'live', 'archived'],
    ipo_status: ['draft', 'scheduled', 'live', 'closed', 'cancelled'],
    nft_listing_status: ['not_listed', 'listed', 'in_escrow', 'sold'],
    transfer_type: ['mint', 'transfer', 'sale', 'burn', 'claim'],
  },
  tables: {
    masters: sql`
      id uuid not null default gen_random_uuid() primary key,
      artist_id uuid not null,
      title varchar(255) not null,
      description text,
      master_type master_type not null default 'track',
      status master_status not null default 'draft',
      genre varchar(100),
      bpm integer,
      duration integer,
      release_date timestamptz,
      isrc varchar(12),
      mood_tags jsonb default '[]',
      audio_file_name varchar(255),
      audio_ipfs_hash varchar(100),
      cover_image_url text,
      cover_image_ipfs_hash varchar(100),
      metadata_ipfs_hash varchar(100),
      metadata jsonb,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      published_at timestamptz
    `,
    master_collaborators: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid not null,
      producer_id uuid,
      collaborator_name varchar(150),
      role varchar(100) not null,
      split_basis_points integer not null default 0,
      display_order integer not null default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    master_ipos: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid not null,
      total_supply integer not null,
      minted_supply integer not null default 0,
      mint_price_wei numeric(78,0),
      mint_price_currency varchar(20),
      revenue_share_nft_holders_bps integer not null default 5000,
      retained_artist_bps integer not null default 4000,
      retained_platform_bps integer not null default 1000,
      status ipo_status not null default 'draft',
      scheduled_start_at timestamptz,
      scheduled_end_at timestamptz,
      actual_start_at timestamptz,
      actual_end_at timestamptz,
      mover_advantage_enabled boolean not null default true,
      first_minter_bonus_bps integer default 300,
      second_minter_bonus_bps integer default 200,
      third_minter_bonus_bps integer default 100,
      secondary_royalty_bps integer not null default 1000,
      allow_secondary_resale boolean not null default true,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    master_contracts: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      deployment_tx_hash varchar(255),
      deployed_at_block numeric(20,0),
      deployed_at timestamptz,
      contract_total_supply integer,
      contract_royalty_bps integer,
      first_minter_wallet varchar(255),
      second_minter_wallet varchar(255),
      third_minter_wallet varchar(255),
      abi_version varchar(20) default '1.0',
      last_indexed_block numeric(20,0),
      last_indexed_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    master_nfts: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid not null,
      master_contract_id uuid not null,
      token_id numeric(78,0) not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      current_owner_wallet varchar(255) not null,
      is_first_minter boolean not null default false,
      is_second_minter boolean not null default false,
      is_third_minter boolean not null default false,
      original_minter_wallet varchar(255) not null,
      mint_tx_hash varchar(255),
      minted_at_block numeric(20,0),
      minted_at timestamptz,
      mint_price_wei numeric(78,0),
      listing_status nft_listing_status not null default 'not_listed',
      listing_price_wei numeric(78,0),
      listing_currency varchar(20),
      listed_at timestamptz,
      token_uri text,
      total_dividends_received numeric(78,0) default '0',
      last_dividend_claimed_at timestamptz,
      last_indexed_block numeric(20,0),
      last_indexed_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    nft_transfers: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_nft_id uuid not null,
      master_id uuid not null,
      token_id numeric(78,0) not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      from_wallet varchar(255) not null,
      to_wallet varchar(255) not null,
      tx_hash varchar(255) not null,
      block_number numeric(20,0) not null,
      log_index integer not null,
      block_timestamp timestamptz not null,
      transfer_type transfer_type not null,
      sale_price_wei numeric(78,0),
      sale_currency varchar(20),
      marketplace varchar(100),
      royalty_paid_wei numeric(78,0),
      royalty_recipient varchar(255),
      created_at timestamptz not null default now()
    `,
    nft_ownership_snapshots: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid not null,
      token_id numeric(78,0) not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      owner_wallet varchar(255) not null,
      snapshot_timestamp timestamptz not null,
      snapshot_block_number numeric(20,0),
      snapshot_reason varchar(50),
      created_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'masters.artist_id': sql`
      alter table masters add constraint masters_artist_id_artists_id_fk
      foreign key (artist_id) references artists (id)
    `,
    'master_collaborators.master_id': sql`
      alter table master_collaborators add constraint master_collaborators_master_id_masters_id_fk
      foreign key (master_id) references masters (id) on delete cascade
    `,
    'master_collaborators.producer_id': sql`
      alter table master_collaborators add constraint master_collaborators_producer_id_producers_id_fk
      foreign key (producer_id) references producers (id)
    `,
    'master_ipos.master_id': sql`
      alter table master_ipos add constraint master_ipos_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'master_contracts.master_id': sql`
      alter table master_contracts add constraint master_contracts_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'master_nfts.master_contract_id': sql`
      alter table master_nfts add constraint master_nfts_master_contract_id_master_contracts_id_fk
      foreign key (master_contract_id) references master_contracts (id)
    `,
    'master_nfts.master_id': sql`
      alter table master_nfts add constraint master_nfts_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'nft_transfers.master_id': sql`
      alter table nft_transfers add constraint nft_transfers_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'nft_transfers.master_nft_id': sql`
      alter table nft_transfers add constraint nft_transfers_master_nft_id_master_nfts_id_fk
      foreign key (master_nft_id) references master_nfts (id)
    `,
    'nft_ownership_snapshots.master_id': sql`
      alter table nft_ownership_snapshots add constraint nft_ownership_snapshots_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
  },
  indexes: {
    masters_artist_id_idx: sql`create index masters_artist_id_idx on masters (artist_id)`,
    masters_created_at_idx: sql`create index masters_created_at_idx on masters (created_at)`,
    masters_genre_idx: sql`create index masters_genre_idx on masters (genre)`,
    masters_release_date_idx: sql`create index masters_release_date_idx on masters (release_date)`,
    masters_status_idx: sql`create index masters_status_idx on masters (status)`,
    master_collaborators_master_id_idx: sql`
      create index master_collaborators_master_id_idx on master_collaborators (master_id)
    `,
    master_collaborators_producer_id_idx: sql`
      create index master_collaborators_producer_id_idx on master_collaborators (producer_id)
    `,
    master_ipos_master_id_idx: sql`create unique index master_ipos_master_id_idx on master_ipos (master_id)`,
    master_ipos_start_at_idx: sql`create index master_ipos_start_at_idx on master_ipos (scheduled_start_at)`,
    master_ipos_status_idx: sql`create index master_ipos_status_idx on master_ipos (status)`,
    master_contracts_chain_address_idx: sql`
      create unique index master_contracts_chain_address_idx on master_contracts (chain_id, contract_address)
    `,
    master_contracts_master_chain_idx: sql`
      create unique index master_contracts_master_chain_idx on master_contracts (master_id, chain_id)
    `,
    master_contracts_master_id_idx: sql`create index master_contracts_master_id_idx on master_contracts (master_id)`,
    master_nfts_chain_contract_token_idx: sql`
      create unique index master_nfts_chain_contract_token_idx on master_nfts (chain_id, contract_address, token_id)
    `,
    master_nfts_contract_id_idx: sql`create index master_nfts_contract_id_idx on master_nfts (master_contract_id)`,
    master_nfts_listing_status_idx: sql`create index master_nfts_listing_status_idx on master_nfts (listing_status)`,
    master_nfts_master_id_idx: sql`create index master_nfts_master_id_idx on master_nfts (master_id)`,
    master_nfts_minted_at_idx: sql`create index master_nfts_minted_at_idx on master_nfts (minted_at)`,
    master_nfts_original_minter_idx: sql`
      create index master_nfts_original_minter_idx on master_nfts (original_minter_wallet)
    `,
    master_nfts_owner_wallet_idx: sql`create index master_nfts_owner_wallet_idx on master_nfts (current_owner_wallet)`,
    nft_transfers_block_number_idx: sql`create index nft_transfers_block_number_idx on nft_transfers (block_number)`,
    nft_transfers_block_timestamp_idx: sql`
      create index nft_transfers_block_timestamp_idx on nft_transfers (block_timestamp)
    `,
    nft_transfers_from_wallet_idx: sql`create index nft_transfers_from_wallet_idx on nft_transfers (from_wallet)`,
    nft_transfers_marketplace_idx: sql`create index nft_transfers_marketplace_idx on nft_transfers (marketplace)`,
    nft_transfers_master_id_idx: sql`create index nft_transfers_master_id_idx on nft_transfers (master_id)`,
    nft_transfers_master_nft_id_idx: sql`create index nft_transfers_master_nft_id_idx on nft_transfers (master_nft_id)`,
    nft_transfers_to_wallet_idx: sql`create index nft_transfers_to_wallet_idx on nft_transfers (to_wallet)`,
    nft_transfers_transfer_type_idx: sql`create index nft_transfers_transfer_type_idx on nft_transfers (transfer_type)`,
    nft_transfers_tx_log_idx: sql`create unique index nft_transfers_tx_log_idx on nft_transfers (tx_hash, log_index)`,
    nft_snapshots_master_token_time_idx: sql`
      create index nft_snapshots_master_token_time_idx on nft_ownership_snapshots (master_id, token_id, snapshot_timestamp)
    `,
    nft_snapshots_owner_wallet_idx: sql`
      create index nft_snapshots_owner_wallet_idx on nft_ownership_snapshots (owner_wallet)
    `,
    nft_snapshots_reason_idx: sql`create index nft_snapshots_reason_idx on nft_ownership_snapshots (snapshot_reason)`,
    nft_snapshots_timestamp_idx: sql`
      create index nft_snapshots_timestamp_idx on nft_ownership_snapshots (snapshot_timestamp)
    `,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
