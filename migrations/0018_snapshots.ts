import { type Kysely, sql } from 'kysely';

/** The snapshots that operators and the daemon (`daily`) requested. The stage `snapshots` takes them when it passes their block. */
const REQUESTS = sql`
  create table indexer.snapshot_requests (
    chain_id bigint not null,
    contract_address varchar(42) not null,
    -- the snapshot is of the end of this block
    block_number bigint not null,
    reason varchar(50) not null check (reason <> 'dividend'),
    -- the time of the block when the snapshot was requested
    block_timestamp timestamptz not null,
    requested_at timestamptz not null default now(),
    primary key (chain_id, contract_address, block_number, reason)
  )
`;

/** Which snapshots of a master are taken without a request of an operator. A master without a row has the defaults. */
const SETTINGS = sql`
  create table indexer.snapshot_settings (
    chain_id bigint not null,
    contract_address varchar(42) not null,
    -- whether snapshots are taken at distributions
    dividend boolean not null default true,
    -- whether snapshots are taken at midnights; null: as the number of tokens decides
    daily boolean,
    -- the time up to which daily snapshots were taken; null: none yet
    daily_to timestamptz,
    primary key (chain_id, contract_address)
  )
`;

/** The first position after a block. Higher blocks than these have no position. */
const END = sql`(least(block, 2147483646) + 1) * 4294967296`;

/** Functions that answer from verified facts. Each is one plain query, so that the planner inlines it and uses the named index. */
const FUNCTIONS = [
  // master_nfts_chain_contract_token_idx, nft_transfers_master_nft_id_idx
  sql`create function owner_at(chain text, contract text, token numeric, block bigint) returns text
    stable parallel safe language sql as $$
    select nullif(fact.to_wallet, '0x0000000000000000000000000000000000000000')::text
    from public.nft_transfers fact
    where fact.master_nft_id = (
        select id from public.master_nfts
        where chain_id = chain and contract_address = lower(contract) and token_id = token
      )
      and fact.block_hash is not null and fact.position < ${END}
    order by fact.position desc limit 1
  $$`,
  // token_transfers_to_wallet_idx, token_transfers_from_wallet_idx
  sql`create function balance_at(chain text, token text, wallet text, block bigint) returns numeric
    stable parallel safe language sql as $$
    select coalesce(sum(amount), 0) from (
      select value as amount from public.token_transfers
      where to_wallet = lower(wallet) and chain_id = chain and contract_address = lower(token) and position < ${END}
      union all
      select -value from public.token_transfers
      where from_wallet = lower(wallet) and chain_id = chain and contract_address = lower(token) and position < ${END}
    ) change
  $$`,
  // master_nfts_chain_contract_token_idx, nft_transfers_master_nft_id_idx
  sql`create function holders_at(chain text, contract text, block bigint) returns table (token_id numeric, owner_wallet text)
    stable parallel safe language sql as $$
    select nft.token_id, last.to_wallet::text
    from public.master_nfts nft
    cross join lateral (
      select fact.to_wallet from public.nft_transfers fact
      where fact.master_nft_id = nft.id and fact.block_hash is not null and fact.position < ${END}
      order by fact.position desc limit 1
    ) last
    where nft.chain_id = chain and nft.contract_address = lower(contract)
      and last.to_wallet <> '0x0000000000000000000000000000000000000000'
  $$`,
];

const COMMENTS = [
  sql`comment on function owner_at is 'Owner of a token of a master at the end of a block. Null if the token did not exist'`,
  sql`comment on function balance_at is 'Balance of a wallet in an artist token at the end of a block'`,
  sql`comment on function holders_at is 'Tokens of a master that existed at the end of a block, with their owners'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [REQUESTS, SETTINGS, ...FUNCTIONS, ...COMMENTS]) await statement.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function owner_at, balance_at, holders_at`.execute(db);
  await sql`drop table indexer.snapshot_requests, indexer.snapshot_settings`.execute(db);
}
