import { type Kysely, sql } from 'kysely';

/** What was there; and a place that the platform corrects back to is followed again, from nothing. */
const RETIRE_AND_REVIVE = sql`
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
 * The platform may delete a contract's row and announce the contract anew: facts that name the old row, also those that are
 * written meanwhile, go before the new one is followed. No key forbids them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table indexer.contracts add column retired_ids uuid[] not null default '{}'`.execute(db);
  await sql`
    update indexer.contracts contract set retired_ids = (
      select coalesce(array_agg(distinct artist_token_id), '{}') from token_transfers
      where chain_id = contract.chain_id::text and contract_address = contract.address
        and artist_token_id <> contract.platform_id)
    where kind = 'artist_token' and prepared_at is null
  `.execute(db);
  await sql`
    create function indexer.retire_row() returns trigger language plpgsql as $body$
    begin
      new.retired_ids := old.retired_ids || old.platform_id;
      return new;
    end $body$
  `.execute(db);
  await sql`
    create trigger retire_row before update of platform_id on indexer.contracts
    for each row when (old.platform_id <> new.platform_id) execute function indexer.retire_row()
  `.execute(db);
  await sql`alter function indexer.retire_contracts rename to retire_other_places`.execute(db);
  await RETIRE_AND_REVIVE.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function indexer.retire_contracts`.execute(db);
  await sql`alter function indexer.retire_other_places rename to retire_contracts`.execute(db);
  await sql`drop trigger retire_row on indexer.contracts`.execute(db);
  await sql`drop function indexer.retire_row`.execute(db);
  await sql`alter table indexer.contracts drop column retired_ids`.execute(db);
}
