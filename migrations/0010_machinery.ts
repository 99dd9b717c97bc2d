import { type Kysely, sql } from 'kysely';

/** What the indexer knows of chains, contracts and its own work: progress, coverage, facts without a table of their own. */
const TABLES = [
  sql`create table indexer.chains (
    chain_id bigint primary key,
    -- null before the first commit
    head_number bigint,
    head_hash varchar(66),
    finalized_number bigint,
    -- raised by every unwind
    epoch bigint not null default 0,
    -- raised whenever the set of contracts that the follower covers changes
    live_version bigint not null default 0,
    status text not null default 'following' check (status in ('following', 'halted')),
    status_reason text,
    updated_at timestamptz not null default now()
  )`,
  sql`create table indexer.block_checkpoints (
    chain_id bigint not null,
    number bigint not null,
    hash varchar(66) not null,
    parent_hash varchar(66) not null,
    timestamp timestamptz not null,
    primary key (chain_id, number)
  )`,
  sql`create table indexer.contracts (
    chain_id bigint not null,
    address varchar(42) not null check (address ~ '^0x[0-9a-f]{40}$'),
    kind text not null check (kind in ('master', 'dividend', 'artist_token', 'pool')),
    -- its row in master_contracts, dividend_contracts, artist_tokens or liquidity_pools
    platform_id uuid not null,
    abi_version varchar(20) not null default '1.0',
    -- later ABI versions of an upgraded proxy, ordered by block: [{"fromBlock": 100, "abiVersion": "2.0"}]
    upgrades jsonb not null default '[]',
    -- null until it is known
    deployed_at_block bigint,
    covered int8multirange not null default '{}',
    -- the follower covers [live_from, head of the chain]
    live_from bigint,
    -- the ABI versions and events that the coverage was read with; null until the contract is first covered
    fingerprint text,
    -- why its history is incomplete although it was complete before; null again once it is complete
    coverage_note text,
    status text not null default 'active' check (status in ('active', 'removed', 'quarantined')),
    status_reason text,
    quarantined_at_block bigint,
    -- null until name, symbol, decimals or a pool's tokens were read from the chain
    metadata_read_at timestamptz,
    -- null until its state was reset to that of a contract without facts, whatever it held before
    prepared_at timestamptz,
    -- the newest block of the facts that the platform's former indexer left, which are replaced range by range
    former_to bigint,
    -- ids of earlier rows of the platform for this contract: facts that reference them are deleted before it is followed
    retired_ids uuid[] not null default '{}',
    created_at timestamptz not null default now(),
    primary key (chain_id, address, kind)
  )`,
  sql`create table indexer.contract_events (
    id uuid primary key,
    chain_id bigint not null,
    address varchar(42) not null,
    kind text not null,
    event text not null,
    arguments jsonb not null,
    tx_hash varchar(66) not null,
    block_number bigint not null,
    block_hash varchar(66) not null,
    log_index bigint not null,
    block_timestamp timestamptz not null,
    position bigint generated always as (block_number * 4294967296 + log_index) stored,
    created_at timestamptz not null default now()
  )`,
  sql`create table indexer.reorgs (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    -- the epoch that this unwind began
    epoch bigint not null,
    -- the head in the database before the unwind
    from_number bigint not null,
    from_hash varchar(66) not null,
    -- the common ancestor, which is the head in the database after the unwind
    to_number bigint not null,
    to_hash varchar(66),
    depth bigint not null,
    reason text not null check (reason in ('reorg', 'command')),
    facts_removed bigint not null,
    detected_at timestamptz not null default now()
  )`,
  sql`create table indexer.dead_letters (
    id uuid primary key,
    chain_id bigint not null,
    kind text not null check (kind in ('log', 'job')),
    address varchar(42),
    -- the kind of contract that could not read the log
    contract_kind text,
    block_number bigint,
    block_hash varchar(66),
    log_index bigint,
    tx_hash varchar(66),
    topics text[],
    data text,
    range_from bigint,
    range_to bigint,
    reason text not null,
    created_at timestamptz not null default now()
  )`,
  sql`create table indexer.backfills (
    id uuid primary key,
    chain_id bigint not null,
    from_block bigint not null,
    to_block bigint not null,
    -- null means all
    contracts text[],
    status text not null default 'running' check (status in ('running', 'finished', 'failed', 'cancelled')),
    created_at timestamptz not null default now(),
    finished_at timestamptz
  )`,
  sql`create table indexer.stages (
    chain_id bigint not null,
    name text not null,
    -- the block that the stage's state is as of; null before the first
    as_of_number bigint,
    as_of_hash varchar(66),
    -- whether state of blocks above that one may remain, which must be unwound before the stage advances
    unwind_pending boolean not null default false,
    -- why the stage stopped; null while it runs
    failed_reason text,
    failed_at timestamptz,
    updated_at timestamptz not null default now(),
    primary key (chain_id, name)
  )`,
  // The lowest block of each change to history below the head. Stages above it are unwound, and then the row is deleted.
  sql`create table indexer.history_changes (
    chain_id bigint not null,
    from_block bigint not null
  )`,
];

const INDEXES = [
  sql`create index contracts_not_live_idx on indexer.contracts (chain_id) where status = 'active' and live_from is null`,
  sql`create index contracts_unprepared_idx on indexer.contracts (chain_id) where prepared_at is null`,
  sql`create index contracts_platform_id_idx on indexer.contracts (platform_id)`,
  sql`create unique index contract_events_block_log_idx on indexer.contract_events (chain_id, block_number, log_index, kind)`,
  sql`create index contract_events_address_event_idx on indexer.contract_events (chain_id, address, event, position)`,
  sql`create index reorgs_chain_idx on indexer.reorgs (chain_id, id)`,
  sql`create index dead_letters_block_idx on indexer.dead_letters (chain_id, block_number)`,
  sql`create index backfills_chain_idx on indexer.backfills (chain_id, created_at)`,
  sql`create index history_changes_chain_idx on indexer.history_changes (chain_id)`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...TABLES, ...INDEXES]) await statement.execute(db);
  // Ids of state rows are derived from their natural keys, so that they are equal in every database.
  await sql`
    create function indexer.derived_id(key text) returns uuid
    immutable parallel safe language sql as 'select md5(key)::uuid'
  `.execute(db);
  // Lets a statement abort its own transaction, so that the commit can be sent in one packet with it.
  await sql`
    create function indexer.refuse() returns void language plpgsql as $body$
    begin
      raise exception using errcode = 'IX001', message = 'refused by a condition of the statement';
    end $body$
  `.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function indexer.derived_id, indexer.refuse`.execute(db);
  await sql`
    drop table indexer.history_changes, indexer.stages, indexer.backfills, indexer.dead_letters, indexer.reorgs,
      indexer.contract_events, indexer.contracts,
      indexer.block_checkpoints, indexer.chains
  `.execute(db);
}
