import { type Kysely, sql } from 'kysely';

type Db = Kysely<unknown>;

/**
 * Where the platform announces a contract: table, kind, the columns of its address and of the block that made it, and the
 * other columns that hold addresses and hashes.
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

/** Runs with the rights of whoever writes, who may have none on the schema `indexer`: nothing of it is named in the body. */
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
 * Arguments: kind, column of the address, column of the block. A row that the platform deletes and inserts again has a new
 * id, and the platform's own key allows one row per address, so the newest is the one that counts. A contract that is
 * registered already is only looked at: an upsert would lock its row, for which the indexer's commits would then wait.
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
 * The platform corrected a contract's address or chain: what was registered at the old place is followed no more, and its facts
 * and state go before the new place is followed, because both belong to one row of the platform.
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

/** Retires the other places of a row, and follows its present place again, from nothing, where that had been retired. */
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
 * Notes the row that a contract had before. The platform may delete a contract's row and announce the contract anew; no key
 * forbids facts that name the old row, so they are deleted before the contract is followed under its new one.
 */
const RETIRE_ROW = sql`
  create function indexer.retire_row() returns trigger language plpgsql as $body$
    begin
      new.retired_ids := old.retired_ids || old.platform_id;
      return new;
    end $body$
`;

/** An IPO's minted supply is computed too when its row appears after the mints. */
const ANNOUNCE_IPO = sql`
  create function indexer.announce_ipo() returns trigger language plpgsql as $body$
  begin
    perform pg_notify('indexer_contracts', 'ipo');
    return null;
  end
  $body$
`;

export async function up(db: Db): Promise<void> {
  for (const statement of [NORMALISE, RETIRE_OTHER_PLACES, RETIRE_CONTRACTS, REGISTER, RETIRE_ROW, ANNOUNCE_IPO])
    await statement.execute(db);
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
}

export async function down(db: Db): Promise<void> {
  await sql`drop trigger indexer_announce on master_ipos`.execute(db);
  await sql`drop trigger retire_row on indexer.contracts`.execute(db);
  for (const [table] of REGISTRIES) {
    await sql`drop trigger indexer_register on ${sql.table(table)}`.execute(db);
    await sql`drop trigger indexer_normalise on ${sql.table(table)}`.execute(db);
  }
  await sql`
    drop function indexer.announce_ipo, indexer.retire_row, indexer.register_contract, indexer.retire_contracts,
      indexer.retire_other_places, indexer.normalise_contract
  `.execute(db);
}

type Registry = (typeof REGISTRIES)[number];

/** By column, so that what the indexer writes into these rows with every commit fires nothing. */
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

/** The rows that were there before the trigger. */
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

/** Transfers outlive the machinery when only that is taken down, and may name rows that the platform has replaced since. */
async function noteRetiredRows(db: Db): Promise<void> {
  await sql`
    update indexer.contracts contract set retired_ids = (
      select coalesce(array_agg(distinct artist_token_id), '{}') from token_transfers
      where chain_id = contract.chain_id::text and contract_address = contract.address
        and artist_token_id <> contract.platform_id)
    where kind = 'artist_token' and prepared_at is null
  `.execute(db);
}
