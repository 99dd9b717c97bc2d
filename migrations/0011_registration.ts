import { type Kysely, sql } from 'kysely';

type Db = Kysely<unknown>;

/**
 * The tables in which the platform announces contracts: table, kind of contract, the columns of its address and of its deployment
 * block, and the other columns that hold addresses and hashes.
 */
const REGISTRIES = [
  ['master_contracts', 'master', 'contract_address', 'deployed_at_block', ['deployment_tx_hash']],
  [
    'dividend_contracts',
    'dividend',
    'contract_address',
    'deployed_at_block',
    ['deployment_tx_hash', 'linked_master_contract'],
  ],
  ['artist_tokens', 'artist_token', 'contract_address', 'deployed_at_block', ['deployment_tx_hash']],
  [
    'liquidity_pools',
    'pool',
    'pool_address',
    'created_at_block',
    ['token0_address', 'token1_address', 'created_at_tx_hash'],
  ],
] as const;

/** Runs with the rights of the user that writes the row. They may not include the schema `indexer`, so the body uses nothing of it. */
const NORMALISE = sql`
  create function indexer.normalise_contract() returns trigger language plpgsql as $body$
  begin
    if new.chain_id !~ '^[1-9][0-9]{0,17}$' then
      return new;
    end if;
    if tg_table_name = 'liquidity_pools' then
      new.pool_address := lower(new.pool_address);
      new.token0_address := lower(new.token0_address);
      new.token1_address := lower(new.token1_address);
      new.created_at_tx_hash := lower(new.created_at_tx_hash);
    else
      new.contract_address := lower(new.contract_address);
      new.deployment_tx_hash := lower(new.deployment_tx_hash);
      if tg_table_name = 'dividend_contracts' then
        new.linked_master_contract := lower(new.linked_master_contract);
      end if;
    end if;
    return new;
  end
  $body$
`;

/**
 * Arguments: kind of contract, column of the address, column of the block. A row that the platform deletes and inserts again has a
 * new id. The platform's own key allows one row per address, so the newest id is valid. A contract that is already registered is
 * only read, because an upsert would lock its row and block the indexer's commits.
 */
const REGISTER = sql`
  create function indexer.register_contract() returns trigger language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $body$
  declare
    announced jsonb := to_jsonb(new);
    renewed boolean;
  begin
    if new.chain_id !~ '^[1-9][0-9]{0,17}$' then
      return null;
    end if;
    insert into indexer.contracts as known (chain_id, address, kind, platform_id, abi_version, deployed_at_block)
    select new.chain_id::bigint, announced ->> tg_argv[1], tg_argv[0], new.id,
      coalesce(announced ->> 'abi_version', '1.0'),
      case when (announced ->> tg_argv[2])::numeric < 1e18 then (announced ->> tg_argv[2])::bigint end
    where not exists (
      select from indexer.contracts
      where chain_id = new.chain_id::bigint and address = announced ->> tg_argv[1] and kind = tg_argv[0]
        and platform_id = new.id
    )
    on conflict (chain_id, address, kind) do update set
      platform_id = excluded.platform_id, covered = '{}', live_from = null, prepared_at = null, metadata_read_at = null,
      status = 'active', status_reason = null, quarantined_at_block = null
    where known.platform_id <> excluded.platform_id
    returning xmax <> 0 into renewed; -- an update, which only an existing row has
    if renewed then
      update indexer.chains set live_version = live_version + 1 where chain_id = new.chain_id::bigint;
    end if;
    if tg_op = 'UPDATE' then
      perform indexer.retire_contracts(new.id, new.chain_id, announced ->> tg_argv[1]);
    end if;
    perform pg_notify('indexer_contracts', new.chain_id);
    return null;
  exception when others then
    raise warning 'the indexer could not register % of chain %: %', announced ->> tg_argv[1], new.chain_id, sqlerrm;
    return null;
  end
  $body$
`;

/**
 * Removes the contracts that were registered for a row of the platform at another address or chain, because the platform has
 * corrected them. Their facts and state are deleted before the contract at the new address is followed, because both belong to the
 * same row of the platform.
 */
const RETIRE_OTHER_PLACES = sql`
  create function indexer.retire_other_places(id uuid, chain text, place text) returns void language sql
  set search_path = pg_catalog, pg_temp as $body$
    with retired as (
      update indexer.contracts set
        status = 'removed', status_reason = 'the platform corrected its address', quarantined_at_block = null,
        covered = '{}', live_from = null, prepared_at = null
      where platform_id = id and (chain_id::text, address) is distinct from (chain, place)
        and (status <> 'removed' or covered <> '{}')
      returning chain_id
    )
    update indexer.chains set live_version = live_version + 1 where chain_id in (select chain_id from retired)
  $body$
`;

/** Retires the other addresses of a row. If its present address had been retired, follows it again without coverage. */
const RETIRE_CONTRACTS = sql`
  create function indexer.retire_contracts(id uuid, chain text, place text) returns void language sql
  set search_path = pg_catalog, pg_temp as $body$
    select indexer.retire_other_places(id, chain, place);
    with revived as (
      update indexer.contracts set
        status = 'active', status_reason = null, covered = '{}', live_from = null, prepared_at = null,
        retired_ids = retired_ids || platform_id
      where platform_id = id and (chain_id::text, address) = (chain, place)
        and status = 'removed' and status_reason = 'the platform corrected its address'
      returning chain_id
    )
    update indexer.chains set live_version = live_version + 1 where chain_id in (select chain_id from revived)
  $body$
`;

/**
 * Records the id of the row that a contract had before. The platform may delete a contract's row and announce the contract again.
 * No foreign key prevents facts from referencing the old row, so they are deleted before the contract is followed with its new row.
 */
const RETIRE_ROW = sql`
  create function indexer.retire_row() returns trigger language plpgsql as $body$
    begin
      new.retired_ids := old.retired_ids || old.platform_id;
      return new;
    end $body$
`;

/** Notifies the indexer of a new IPO, whose minted supply must be computed if its tokens were minted before. */
const ANNOUNCE_IPO = sql`
  create function indexer.announce_ipo() returns trigger language plpgsql as $body$
  begin
    perform pg_notify('indexer_contracts', 'ipo');
    return null;
  end
  $body$
`;

/**
 * Records that the platform changed which master a contract belongs to or serves. Stages that join contracts by master are then
 * unwound to before the contract's first block. Never fails the platform's update.
 */
const RELINK = sql`
  create function indexer.relink_contract() returns trigger language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $body$
  begin
    if new.chain_id ~ '^[1-9][0-9]{0,17}$' then
      insert into indexer.history_changes (chain_id, from_block)
      select new.chain_id::bigint, coalesce(min(deployed_at_block), 0) from indexer.contracts where platform_id = new.id;
      perform pg_notify('indexer_contracts', new.chain_id);
    end if;
    return null;
  exception when others then
    raise warning 'the indexer could not note the edit of contract %: %', new.id, sqlerrm;
    return null;
  end
  $body$
`;

/** The tables that say which master a contract belongs to or serves, and in which columns. */
const LINKS = [
  ['master_contracts', ['master_id']],
  ['dividend_contracts', ['master_id', 'linked_master_contract']],
] as const;

const FUNCTIONS = [NORMALISE, RETIRE_OTHER_PLACES, RETIRE_CONTRACTS, REGISTER, RETIRE_ROW, ANNOUNCE_IPO, RELINK];

export async function up(db: Db): Promise<void> {
  for (const statement of FUNCTIONS) await statement.execute(db);
  for (const registry of REGISTRIES) {
    await createTriggers(db, registry);
    await registerRows(db, registry);
  }
  await noteRetiredRows(db);
  await sql`
    create trigger retire_row before update of platform_id on indexer.contracts
    for each row when (old.platform_id <> new.platform_id) execute function indexer.retire_row()
  `.execute(db);
  await sql`
    create trigger indexer_announce after insert on master_ipos
    for each statement execute function indexer.announce_ipo()
  `.execute(db);
  for (const [table, columns] of LINKS) {
    const differs = columns.map((column) => sql`old.${sql.ref(column)} is distinct from new.${sql.ref(column)}`);
    await sql`
      create trigger indexer_relink after update of ${sql.join(columns.map((column) => sql.ref(column)))}
      on ${sql.table(table)} for each row when (${sql.join(differs, sql` or `)}) execute function indexer.relink_contract()
    `.execute(db);
  }
}

export async function down(db: Db): Promise<void> {
  for (const [table] of LINKS) await sql`drop trigger indexer_relink on ${sql.table(table)}`.execute(db);
  await sql`drop trigger indexer_announce on master_ipos`.execute(db);
  await sql`drop trigger retire_row on indexer.contracts`.execute(db);
  for (const [table] of REGISTRIES) {
    await sql`drop trigger indexer_register on ${sql.table(table)}`.execute(db);
    await sql`drop trigger indexer_normalise on ${sql.table(table)}`.execute(db);
  }
  await sql`
    drop function indexer.relink_contract, indexer.announce_ipo, indexer.retire_row, indexer.register_contract, indexer.retire_contracts,
      indexer.retire_other_places, indexer.normalise_contract
  `.execute(db);
}

type Registry = (typeof REGISTRIES)[number];

/** Creates triggers on single columns, so that the columns that the indexer writes with every commit fire none. */
async function createTriggers(db: Db, [table, kind, address, block, others]: Registry): Promise<void> {
  await sql`
    create trigger indexer_normalise
    before insert or update of chain_id, ${sql.ref(address)}, ${sql.join(others.map((name) => sql.ref(name)))}
    on ${sql.table(table)} for each row execute function indexer.normalise_contract()
  `.execute(db);
  await sql`
    create trigger indexer_register after insert or update of chain_id, ${sql.ref(address)} on ${sql.table(table)}
    for each row execute function indexer.register_contract(${sql.lit(kind)}, ${sql.lit(address)}, ${sql.lit(block)})
  `.execute(db);
}

/** Registers the rows that existed before the triggers. */
async function registerRows(db: Db, [table, kind, address, block]: Registry): Promise<void> {
  const abiVersion = table === 'master_contracts' ? sql`coalesce(abi_version, '1.0')` : sql`'1.0'`;
  await sql`
    insert into indexer.contracts (chain_id, address, kind, platform_id, abi_version, deployed_at_block)
    select chain_id::bigint, ${sql.ref(address)}, ${kind}, id, ${abiVersion},
      case when ${sql.ref(block)} < 1e18 then ${sql.ref(block)}::bigint end
    from ${sql.table(table)}
    where chain_id ~ '^[1-9][0-9]{0,17}$' and ${sql.ref(address)} ~ '^0x[0-9a-f]{40}$'
    on conflict do nothing
  `.execute(db);
}

/** Records rows that the platform has replaced and that transfers still reference, if transfers outlived the schema `indexer`. */
async function noteRetiredRows(db: Db): Promise<void> {
  await sql`
    update indexer.contracts contract set retired_ids = (
      select coalesce(array_agg(distinct artist_token_id), '{}') from token_transfers
      where chain_id = contract.chain_id::text and contract_address = contract.address
        and artist_token_id <> contract.platform_id)
    where kind = 'artist_token' and prepared_at is null
  `.execute(db);
}
