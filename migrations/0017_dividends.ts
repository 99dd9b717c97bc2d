import { type Kysely, sql } from 'kysely';

type Db = Kysely<unknown>;

/** What dividends are counted from: the masters that a dividend contract serves, sums of distributions, and counts of tokens. */
const TABLES = [
  sql`create table indexer.dividend_masters (
    dividend_contract_id uuid not null references public.dividend_contracts (id) on delete cascade,
    master_contract_id uuid not null references public.master_contracts (id) on delete cascade,
    -- which row says so: the column linked_master_contract, the master, artist or model of the platform's row, or an operator
    source text not null check (source in ('linked_master_contract', 'platform', 'command')),
    -- false: an operator unlinked the master, whatever the platform's rows say
    serves boolean not null default true,
    primary key (dividend_contract_id, master_contract_id)
  )`,
  sql`create index dividend_masters_master_idx on indexer.dividend_masters (master_contract_id)`,
  sql`create table indexer.distribution_sums (
    chain_id bigint not null,
    dividend_contract_id uuid not null,
    currency varchar(255) not null,
    -- the position of a distribution
    position bigint not null,
    -- what a token has earned by all distributions up to and with this one, if it existed at all of them
    total numeric not null,
    -- the number of tokens that existed at the distribution
    tokens bigint not null default 0,
    primary key (dividend_contract_id, currency, position)
  )`,
  sql`create index distribution_sums_position_idx on indexer.distribution_sums (chain_id, position)`,
  sql`create table indexer.master_holdings (
    chain_id bigint not null,
    contract_address varchar(42) not null,
    wallet_address varchar(255) not null,
    -- the number of tokens that the wallet owns, as of the block of the stage
    tokens bigint not null,
    -- the row has not changed above this block
    changed_block bigint not null,
    primary key (chain_id, contract_address, wallet_address)
  )`,
  sql`create index master_holdings_changed_idx on indexer.master_holdings (chain_id, changed_block)`,
  sql`create table indexer.dividend_progress (
    chain_id bigint primary key,
    -- the block that the rows of the stage are as of, so that a repeated step adds nothing twice
    block bigint not null
  )`,
];

const COLUMNS = [
  sql`alter table wallet_dividend_balances
    -- the row has not changed above this block
    add column changed_block bigint`,
  sql`create index wallet_dividends_changed_idx on wallet_dividend_balances (chain_id, changed_block)`,
  sql`alter table master_nfts
    -- the dividends of the token have not changed above this block; null if none were claimed
    add column dividends_block bigint`,
  sql`create index master_nfts_dividends_idx on master_nfts (chain_id, dividends_block) where dividends_block is not null`,
  sql`alter table dividend_events
    -- whether the indexer found revenue_event_id; false if the platform wrote it
    add column revenue_link_derived boolean not null default false`,
  sql`create index dividend_events_revenue_idx on dividend_events (revenue_event_id) where revenue_event_id is not null`,
  sql`create index revenue_events_deposit_tx_idx on revenue_events (lower(deposit_tx_hash)) where deposit_tx_hash is not null`,
  // For the claims of a dividend contract on a token, and for the claims whose token is not known.
  sql`create index dividend_claims_contract_wallet_idx on dividend_claims (dividend_contract_id, wallet_address)`,
];

/** The masters that each dividend contract serves according to the platform's rows. */
const PLATFORM_LINKS = sql`
  create view indexer.platform_dividend_masters as
  select dividend.id as dividend_contract_id, master.id as master_contract_id, 'linked_master_contract' as source
  from public.dividend_contracts dividend
  join public.master_contracts master
    on master.chain_id = dividend.chain_id and master.contract_address = dividend.linked_master_contract
  union all
  select dividend.id, master.id, 'platform'
  from public.dividend_contracts dividend
  join public.master_contracts master on master.chain_id = dividend.chain_id and master.master_id = dividend.master_id
  where dividend.linked_master_contract is null and dividend.distribution_model = 'per_master'
  union all
  select dividend.id, master.id, 'platform'
  from public.dividend_contracts dividend
  left join public.masters own on own.id = dividend.master_id
  join public.masters song on song.artist_id = coalesce(dividend.artist_id, own.artist_id)
  join public.master_contracts master on master.chain_id = dividend.chain_id and master.master_id = song.id
  where dividend.linked_master_contract is null and dividend.distribution_model = 'per_artist'
  union all
  select dividend.id, master.id, 'platform'
  from public.dividend_contracts dividend
  join public.master_contracts master on master.chain_id = dividend.chain_id
  where dividend.linked_master_contract is null and dividend.distribution_model = 'platform'
`;

/**
 * Makes the links equal to the platform's rows, except those that an operator set. The scope is a column of the links and its value, a
 * master of the catalogue, or everything.
 */
const LINK = sql`
  create function indexer.link_dividend_masters(scope text, id uuid) returns void language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $body$
  declare
    in_scope text := case scope
      when 'dividend' then 'dividend_contract_id = $1'
      when 'master' then 'master_contract_id = $1'
      when 'song' then '(master_contract_id in (select id from public.master_contracts where master_id = $1)
        or dividend_contract_id in (select id from public.dividend_contracts where master_id = $1))'
      else '$1 is null' end;
  begin
    execute format('
      with named as materialized (select * from indexer.platform_dividend_masters where %1$s),
      gone as (
        delete from indexer.dividend_masters held
        where source <> ''command'' and %1$s and not exists (
          select from named where named.dividend_contract_id = held.dividend_contract_id
            and named.master_contract_id = held.master_contract_id))
      insert into indexer.dividend_masters as held (dividend_contract_id, master_contract_id, source)
      select dividend_contract_id, master_contract_id, source from named
      where not exists (
        select from indexer.dividend_masters same
        where same.dividend_contract_id = named.dividend_contract_id and same.master_contract_id = named.master_contract_id
          and same.source in (named.source, ''command''))
      order by 1, 2
      on conflict (dividend_contract_id, master_contract_id) do update set source = excluded.source
        where held.source <> ''command''', in_scope) using id;
  end
  $body$
`;

/** Links after a change of the platform's rows. Never fails the platform's statement. */
const RELINK = sql`
  create function indexer.relink_dividends() returns trigger language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $body$
  begin
    perform indexer.link_dividend_masters(tg_argv[0], new.id);
    return null;
  exception when others then
    raise warning 'the indexer could not link dividend contracts to masters for %: %', new.id, sqlerrm;
    return null;
  end
  $body$
`;

/**
 * Records that the past of a dividend contract changed with the masters that it serves, so that stages derive it again. Nothing was
 * derived from a contract that has no coverage yet.
 */
const RECORD_LINK_CHANGE = sql`
  create function indexer.record_link_change() returns trigger language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $body$
  begin
    if coalesce(new.serves, false) <> coalesce(old.serves, false) then
      insert into indexer.history_changes (chain_id, from_block)
      select dividend.chain_id, greatest(coalesce(dividend.deployed_at_block, 0), coalesce(master.deployed_at_block, 0))
      from indexer.contracts dividend
      join indexer.contracts master on master.chain_id = dividend.chain_id and master.kind = 'master'
        and master.platform_id = coalesce(new.master_contract_id, old.master_contract_id)
      where dividend.kind = 'dividend' and dividend.platform_id = coalesce(new.dividend_contract_id, old.dividend_contract_id)
        and (dividend.covered <> '{}' or dividend.live_from is not null)
        and (master.covered <> '{}' or master.live_from is not null);
      perform pg_notify('indexer_contracts', chain_id::text) from indexer.contracts
      where kind = 'dividend' and platform_id = coalesce(new.dividend_contract_id, old.dividend_contract_id);
    end if;
    return null;
  end
  $body$
`;

/** Before the platform deletes a revenue row, removes the links to it that the indexer found. Their foreign key would refuse it. */
const RELEASE_REVENUE = sql`
  create function indexer.release_revenue() returns trigger language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $body$
  begin
    update public.dividend_events set revenue_event_id = null, revenue_link_derived = false
    where revenue_event_id = old.id and revenue_link_derived;
    return old;
  end
  $body$
`;

/** Notifies the indexer of revenue whose deposit may be known already. */
const ANNOUNCE_REVENUE = sql`
  create function indexer.announce_revenue() returns trigger language plpgsql as $body$
  begin
    perform pg_notify('indexer_contracts', 'revenue');
    return null;
  end
  $body$
`;

/** The tables that say which masters a dividend contract serves, the columns that say it, and the scope of a change. */
const SOURCES = [
  [
    'dividend_contracts',
    'dividend',
    ['chain_id', 'master_id', 'artist_id', 'distribution_model', 'linked_master_contract'],
  ],
  ['master_contracts', 'master', ['chain_id', 'contract_address', 'master_id']],
  ['masters', 'song', ['artist_id']],
] as const;

const REVENUE_COLUMNS = ['deposited_to_contract_id', 'deposit_tx_hash', 'amount'];

/** What one token earned and was paid, by dividend contract and currency, as of the block of the stage `dividends`. */
const TOKEN_DIVIDENDS = sql`
  create view token_dividends as
  select token.id as master_nft_id, token.chain_id, token.contract_address, token.token_id,
    token.current_owner_wallet as owner_wallet, link.dividend_contract_id, account.currency,
    life.earned, paid.claimed, life.earned - paid.claimed as unclaimed
  from master_nfts token
  join indexer.dividend_masters link on link.master_contract_id = token.master_contract_id and link.serves
  cross join lateral (
    select currency from indexer.distribution_sums where dividend_contract_id = link.dividend_contract_id
    union
    select currency from dividend_claims
    where master_nft_id = token.id and dividend_contract_id = link.dividend_contract_id and block_hash is not null
  ) account
  cross join lateral (
    select coalesce(sum((coalesce(upto.total, 0) - coalesce(at.total, 0)) * step.sign), 0) as earned
    from (
      select position, case when to_wallet = '0x0000000000000000000000000000000000000000' then -1 else 1 end as sign,
        coalesce(lag(to_wallet) over (order by position), '0x0000000000000000000000000000000000000000')
          = '0x0000000000000000000000000000000000000000' as from_nobody
      from nft_transfers where master_nft_id = token.id and block_hash is not null
    ) step
    left join lateral (
      select total from indexer.distribution_sums
      where dividend_contract_id = link.dividend_contract_id and currency = account.currency and position < step.position
      order by position desc limit 1
    ) at on true
    left join lateral (
      select total from indexer.distribution_sums
      where dividend_contract_id = link.dividend_contract_id and currency = account.currency
      order by position desc limit 1
    ) upto on true
    where step.from_nobody = (step.sign = 1)
  ) life
  cross join lateral (
    select coalesce(sum(amount_claimed), 0) as claimed from dividend_claims
    where master_nft_id = token.id and dividend_contract_id = link.dividend_contract_id and currency = account.currency
      and block_hash is not null
  ) paid
`;

/** What the facts of dividend contracts have that should not be, as of the block of the stage `dividends`. Nothing of it is corrected. */
const ANOMALIES = sql`
  create view indexer.dividend_anomalies as
  select 'wallet claimed more than it earned' as kind, chain_id, dividend_contract_id, currency, wallet_address as subject,
    claimable_amount as amount
  from wallet_dividend_balances where claimable_amount < 0
  union all
  select 'token was paid more than it earned', chain_id, dividend_contract_id, currency, contract_address || ' ' || token_id, unclaimed
  from token_dividends where unclaimed < 0 and claimed > 0
  union all
  select 'claim for an unknown token', chain_id, dividend_contract_id, currency, tx_hash || ' ' || log_index, amount_claimed
  from dividend_claims where master_nft_id is null and token_id is not null and block_hash is not null
    and block_number <= (select block from indexer.dividend_progress progress where progress.chain_id::text = dividend_claims.chain_id)
  union all
  select 'distribution to no token', event.chain_id, event.dividend_contract_id, event.currency, event.tx_hash || ' ' || event.log_index,
    event.total_amount
  from indexer.distribution_sums sum
  join dividend_events event on event.chain_id = sum.chain_id::text and event.block_number = (sum.position >> 32)::numeric
    and event.log_index = (sum.position & 4294967295) and event.block_hash is not null
  where sum.tokens = 0
  union all
  select 'distribution in a currency that was never deposited', event.chain_id, event.dividend_contract_id, event.currency,
    event.tx_hash || ' ' || event.log_index, event.total_amount
  from (
    select distinct on (dividend_contract_id, currency) chain_id, dividend_contract_id, currency, position
    from indexer.distribution_sums order by dividend_contract_id, currency, position
  ) first
  join dividend_events event on event.chain_id = first.chain_id::text and event.block_number = (first.position >> 32)::numeric
    and event.log_index = (first.position & 4294967295) and event.block_hash is not null
  where not exists (
    select from dividend_events deposit
    where deposit.dividend_contract_id = first.dividend_contract_id and deposit.event_type = 'deposit'
      and deposit.currency = first.currency and deposit.position < first.position and deposit.block_hash is not null)
`;

const FUNCTIONS = [PLATFORM_LINKS, LINK, RELINK, RECORD_LINK_CHANGE, RELEASE_REVENUE, ANNOUNCE_REVENUE];

export async function up(db: Db): Promise<void> {
  for (const statement of [...TABLES, ...COLUMNS, ...FUNCTIONS]) await statement.execute(db);
  await sql`
    create trigger record_link_change after insert or update of serves or delete on indexer.dividend_masters
    for each row execute function indexer.record_link_change()
  `.execute(db);
  for (const [table, scope, columns] of SOURCES) {
    await sql`
      create trigger indexer_relink_dividends
      after insert or update of ${sql.join(columns.map((column) => sql.ref(column)))} on ${sql.table(table)}
      for each row execute function indexer.relink_dividends(${sql.lit(scope)})
    `.execute(db);
  }
  await sql`
    create trigger indexer_release before delete on revenue_events
    for each row execute function indexer.release_revenue()
  `.execute(db);
  await sql`
    create trigger indexer_announce
    after insert or update of ${sql.join(REVENUE_COLUMNS.map((column) => sql.ref(column)))} on revenue_events
    for each statement execute function indexer.announce_revenue()
  `.execute(db);
  await TOKEN_DIVIDENDS.execute(db);
  await ANOMALIES.execute(db);
  await sql`select indexer.link_dividend_masters('all', null)`.execute(db);
}

export async function down(db: Db): Promise<void> {
  await sql`drop view indexer.dividend_anomalies, token_dividends`.execute(db);
  await sql`drop trigger indexer_announce on revenue_events`.execute(db);
  await sql`drop trigger indexer_release on revenue_events`.execute(db);
  for (const [table] of SOURCES) {
    await sql`drop trigger indexer_relink_dividends on ${sql.table(table)}`.execute(db);
  }
  await sql`
    drop table indexer.dividend_masters, indexer.distribution_sums, indexer.master_holdings, indexer.dividend_progress
  `.execute(db);
  await sql`drop view indexer.platform_dividend_masters`.execute(db);
  await sql`
    drop function indexer.link_dividend_masters, indexer.relink_dividends, indexer.record_link_change,
      indexer.release_revenue, indexer.announce_revenue
  `.execute(db);
  await sql`drop index revenue_events_deposit_tx_idx, dividend_claims_contract_wallet_idx`.execute(db);
  await sql`alter table dividend_events drop column revenue_link_derived`.execute(db);
  await sql`drop index dividend_events_revenue_idx`.execute(db);
  await sql`alter table master_nfts drop column dividends_block`.execute(db);
  await sql`alter table wallet_dividend_balances drop column changed_block`.execute(db);
}
