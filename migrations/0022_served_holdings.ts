import { type Kysely, sql } from 'kysely';

/** The masters whose holdings the stage `dividends` has yet to count or to delete. A row per change, so that writers never wait. */
const DUE = sql`
  create table indexer.holdings_due (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    contract_address varchar(42) not null
  )
`;

/** Notes the registered masters of links that changed. Others have no facts. */
const NOTE = sql`
  create function indexer.note_holdings_due() returns trigger language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $body$
  begin
    if coalesce(new.serves, false) <> coalesce(old.serves, false) then
      insert into indexer.holdings_due (chain_id, contract_address)
      select chain_id, address from indexer.contracts
      where kind = 'master' and platform_id = coalesce(new.master_contract_id, old.master_contract_id);
    end if;
    return null;
  end
  $body$
`;

/** From here on holdings are counted only of masters that a dividend contract serves. */
const STATEMENTS = [
  DUE,
  NOTE,
  sql`create trigger note_holdings_due after insert or update of serves or delete on indexer.dividend_masters
    for each row execute function indexer.note_holdings_due()`,
  sql`delete from indexer.master_holdings held where not exists (
    select from master_contracts master
    join indexer.dividend_masters link on link.master_contract_id = master.id and link.serves
    where master.chain_id = held.chain_id::text and master.contract_address = held.contract_address)`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  // The version before counts the holdings of every master, and does so again from the beginning.
  await sql`insert into indexer.history_changes (chain_id, from_block) select chain_id, 0 from indexer.dividend_progress`.execute(
    db,
  );
  await sql`drop trigger note_holdings_due on indexer.dividend_masters`.execute(db);
  await sql`drop function indexer.note_holdings_due()`.execute(db);
  await sql`drop table indexer.holdings_due`.execute(db);
}
