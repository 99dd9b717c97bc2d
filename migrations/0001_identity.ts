import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Users and how they sign in. */
const module: CatalogueModule = {
  enums: {
    account_status: ['active', 'suspended', 'pending_verification', 'deleted'],
    user_role: ['viewer', 'artist', 'producer', 'admin'],
    auth_provider: ['magic_link', 'google', 'microsoft', 'apple', 'github', 'wallet'],
  },
  tables: {
    users: sql`
      id uuid not null default gen_random_uuid() primary key,
      email varchar(255) not null,
      display_name varchar(100) not null,
      avatar_url text,
      bio text,
      status account_status not null default 'active',
      email_verified boolean not null default false,
      two_factor_enabled boolean not null default false,
      two_factor_secret varchar(255),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      last_login_at timestamptz,
      deleted_at timestamptz
    `,
    user_wallets: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid not null,
      wallet_address varchar(255) not null,
      chain_id varchar(50) not null,
      is_primary boolean not null default false,
      verified boolean not null default false,
      verified_at timestamptz,
      label varchar(100),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    roles: sql`
      id uuid not null default gen_random_uuid() primary key,
      name user_role not null,
      description text,
      permissions text,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    user_roles: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid not null,
      role_id uuid not null,
      assigned_by uuid,
      assigned_at timestamptz not null default now(),
      expires_at timestamptz
    `,
    identity_providers: sql`
      id uuid not null default gen_random_uuid() primary key,
      name varchar(100) not null,
      provider auth_provider not null,
      client_id varchar(255),
      client_secret text,
      enabled boolean not null default true,
      config_json text,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    accounts: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid not null,
      provider auth_provider not null,
      provider_account_id varchar(255) not null,
      access_token text,
      refresh_token text,
      access_token_expires timestamptz,
      provider_metadata text,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'user_wallets.user_id': 'users (id) on delete cascade',
    'user_roles.assigned_by': 'users (id)',
    'user_roles.role_id': 'roles (id) on delete cascade',
    'user_roles.user_id': 'users (id) on delete cascade',
    'accounts.user_id': 'users (id) on delete cascade',
  },
  indexes: {
    users_created_at_idx: 'users (created_at)',
    users_status_idx: 'users (status)',
    user_wallets_address_idx: 'user_wallets (wallet_address)',
    user_wallets_user_id_idx: 'user_wallets (user_id)',
    user_roles_role_id_idx: 'user_roles (role_id)',
    user_roles_user_id_idx: 'user_roles (user_id)',
    accounts_user_id_idx: 'accounts (user_id)',
  },
  uniqueIndexes: {
    users_email_idx: 'users (email)',
    user_wallets_address_chain_idx: 'user_wallets (wallet_address, chain_id)',
    roles_name_idx: 'roles (name)',
    user_roles_user_role_idx: 'user_roles (user_id, role_id)',
    identity_providers_provider_idx: 'identity_providers (provider)',
    accounts_provider_account_idx: 'accounts (provider, provider_account_id)',
  },
};

/** Also creates the schema `indexer`, because migrations record there which tables they create, beginning with the first. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create schema if not exists indexer`.execute(db);
  await sql`create table indexer.created_tables (name text primary key)`.execute(db);
  await createModule(db, module);
}

/** Keeps the schema `indexer`, because it holds the list of applied migrations. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await dropModule(db, module);
  await sql`drop table indexer.created_tables`.execute(db);
}
