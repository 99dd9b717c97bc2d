import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  // The supply and the royalty that the platform configured stay its own. What the chain says of them has columns of its own.
  sql`alter table master_contracts
    add column current_supply bigint not null default 0,
    add column default_royalty_bps numeric`,
  sql`comment on column master_contracts.current_supply is '[DERIVED] Tokens that exist: mints less burns'`,
  sql`comment on column master_contracts.default_royalty_bps is '[DERIVED] Fee numerator of the latest DefaultRoyaltySet'`,
  sql`comment on column master_contracts.contract_royalty_bps is null`,
  // Until now the two columns of the platform held these values, for contracts whose state had been reset.
  sql`update master_contracts held set
      current_supply = coalesce(contract_total_supply, 0), default_royalty_bps = contract_royalty_bps,
      contract_total_supply = null, contract_royalty_bps = null
    from indexer.contracts contract
    where contract.kind = 'master' and contract.platform_id = held.id and contract.prepared_at is not null`,
  // The newest administrative events of a chain. Few events are, so that the index stays small.
  sql`create index contract_events_administration_idx on indexer.contract_events (chain_id, position)
    where event in ('Paused', 'OwnershipTransferred', 'Upgraded', 'Unpaused', 'OwnershipTransferStarted', 'RoleGranted',
      'RoleRevoked', 'TransferValidatorUpdated', 'DefaultRoyaltySet')`,
  // When the time and the transaction of the contract's deployment were read from the chain.
  sql`alter table indexer.contracts add column deployment_read_at timestamptz`,
  sql`create function indexer.reset_deployment() returns trigger language plpgsql as $$
    begin
      new.deployment_read_at := null;
      return new;
    end $$`,
  // Another row of the platform has columns of its own to fill.
  sql`create trigger reset_deployment before update of platform_id on indexer.contracts for each row
    when (old.platform_id <> new.platform_id) execute function indexer.reset_deployment()`,
  // Tokens whose URI is still to be read.
  sql`create index master_nfts_without_uri_idx on master_nfts (master_contract_id, token_id) where token_uri is null`,
  sql`comment on column master_nfts.token_uri is '[ON-CHAIN] tokenURI() of the contract, as of the head when it was read; at most 65,536 bytes'`,
  // Metadata updates of EIP-4906, by position. Few events are.
  sql`create index contract_events_metadata_idx on indexer.contract_events (chain_id, position)
    where event in ('MetadataUpdate', 'BatchMetadataUpdate')`,
  sql`create table indexer.token_uri_progress (
    chain_id bigint primary key,
    -- the position up to which metadata updates were noted
    events_to bigint not null,
    -- indexer.chains.epoch then; another value means that blocks were unwound since
    epoch bigint not null
  )`,
  // Tokens to be read at a time: because their metadata was updated, or because they could not be read before.
  sql`create table indexer.token_uri_retries (
    chain_id bigint not null,
    address varchar(42) not null,
    token_id numeric(78,0) not null,
    -- failures in a row; 0 for a token that was updated
    failures integer not null default 0,
    -- why it could not be read
    reason text,
    retry_at timestamptz not null default now(),
    primary key (chain_id, address, token_id)
  )`,
  sql`create index token_uri_retries_due_idx on indexer.token_uri_retries (chain_id, retry_at)`,
  // Batches of metadata updates, whose tokens are read a few at a time.
  sql`create table indexer.token_uri_ranges (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    address varchar(42) not null,
    from_token numeric(78,0) not null,
    to_token numeric(78,0) not null,
    -- the lowest token that is still to be read
    next_token numeric(78,0) not null
  )`,
  sql`create index token_uri_ranges_contract_idx on indexer.token_uri_ranges (chain_id, address, id)`,
  // The blocks above the finalized one as of which tokens were read, so that they are read again after a reorg.
  sql`create table indexer.token_uri_reads (
    chain_id bigint not null,
    address varchar(42) not null,
    token_id numeric(78,0) not null,
    block_number bigint not null,
    primary key (chain_id, address, token_id)
  )`,
];

/**
 * How far each contract is indexed. `indexer/progress/contract-coverage.ts` has the same formula, and a test compares both: the last block
 * up to which the contract has no gap since its deployment. A process that leads a chain holds the advisory lock of
 * `indexer/progress/leader.ts`.
 */
const PROGRESS = sql`
  create view indexing_progress as
  with chain as materialized (
    select chain_id, head_number, status = 'halted' as is_halted, exists (
      select from pg_locks
      where locktype = 'advisory' and objsubid = 1 and granted and database = (select oid from pg_database where datname = current_database())
        and (classid::bigint << 32) + objid::bigint = hashtextextended('indexer:leader:' || chain_id, 0)
    ) as is_led
    from indexer.chains
  )
  select contract.chain_id::text as chain_id, contract.address as contract_address, contract.kind,
    indexed.last_block as last_indexed_block,
    (select timestamp from indexer.block_checkpoints checkpoint
      where checkpoint.chain_id = contract.chain_id and number <= indexed.last_block order by number desc limit 1) as last_indexed_at,
    case when contract.status = 'quarantined' or chain.is_halted then 'error'
      when contract.status = 'removed' or chain.is_led is not true then 'paused'
      when live_from <= head_number and first_missing > head_number then 'live' else 'syncing' end as status
  from indexer.contracts contract left join chain using (chain_id),
    lateral (select coalesce(deployed_at_block, 0) as first_block) deployment,
    lateral (select lower(int8multirange(int8range(first_block, null)) - (covered + case when live_from <= head_number
      then int8multirange(int8range(live_from, head_number, '[]')) else '{}' end)) as first_missing) gap,
    lateral (select nullif(first_missing, first_block) - 1 as last_block) indexed
`;

const PROGRESS_COMMENT = sql`
  comment on view indexing_progress is
    'Per contract: the last block up to which its facts are complete, the time of that block, and whether it is syncing, live, paused or in error'
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...STATEMENTS, PROGRESS, PROGRESS_COMMENT]) await statement.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop view indexing_progress`.execute(db);
  await sql`drop trigger reset_deployment on indexer.contracts`.execute(db);
  await sql`drop function indexer.reset_deployment()`.execute(db);
  await sql`alter table indexer.contracts drop column deployment_read_at`.execute(db);
  await sql`
    drop table indexer.token_uri_reads, indexer.token_uri_ranges, indexer.token_uri_retries, indexer.token_uri_progress
  `.execute(db);
  // An initial load may have put it off.
  await sql`drop index if exists master_nfts_without_uri_idx`.execute(db);
  await sql`delete from indexer.deferred_indexes where name = 'public.master_nfts_without_uri_idx'`.execute(db);
  await sql`drop index indexer.contract_events_metadata_idx`.execute(db);
  await sql`comment on column master_nfts.token_uri is null`.execute(db);
  await sql`drop index indexer.contract_events_administration_idx`.execute(db);
  // The version before keeps both values in the columns of the platform.
  await sql`
    update master_contracts held set contract_total_supply = current_supply, contract_royalty_bps = default_royalty_bps
    from indexer.contracts contract
    where contract.kind = 'master' and contract.platform_id = held.id and contract.prepared_at is not null
  `.execute(db);
  await sql`
    comment on column master_contracts.contract_royalty_bps is '[DERIVED] Fee numerator of the latest DefaultRoyaltySet'
  `.execute(db);
  await sql`alter table master_contracts drop column current_supply, drop column default_royalty_bps`.execute(db);
}
