import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Transfers of artist tokens, without which their balances could be neither unwound nor proved. */
const module: CatalogueModule = {
  enums: {},
  tables: {
    token_transfers: sql`
      id uuid not null primary key,
      artist_token_id uuid not null,
      chain_id varchar(50) not null,
      contract_address varchar(255) not null,
      from_wallet varchar(255) not null,
      to_wallet varchar(255) not null,
      value numeric(78,0) not null,
      tx_hash varchar(255) not null,
      block_number numeric(20,0) not null,
      block_hash varchar(66) not null,
      log_index bigint not null,
      block_timestamp timestamptz not null,
      created_at timestamptz not null default now(),
      position bigint generated always as ((block_number * 4294967296 + log_index)::bigint) stored
    `,
  },
  foreignKeys: {
    'token_transfers.artist_token_id': sql`
      alter table token_transfers add constraint token_transfers_artist_token_id_artist_tokens_id_fk
      foreign key (artist_token_id) references artist_tokens (id)
    `,
  },
  indexes: {
    token_transfers_block_log_idx: sql`
      create unique index token_transfers_block_log_idx on token_transfers (chain_id, block_number, log_index)
    `,
    token_transfers_artist_token_id_idx: sql`
      create index token_transfers_artist_token_id_idx on token_transfers (artist_token_id)
    `,
    token_transfers_from_wallet_idx: sql`create index token_transfers_from_wallet_idx on token_transfers (from_wallet)`,
    token_transfers_to_wallet_idx: sql`create index token_transfers_to_wallet_idx on token_transfers (to_wallet)`,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
