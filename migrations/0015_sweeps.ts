import { type Kysely, sql } from 'kysely';

/** How far facts were asked whether they contradict themselves. */
const STATEMENTS = [
  sql`create table indexer.sweeps (
    id bigint generated always as identity unique,
    chain_id bigint not null,
    address varchar(42) not null,
    kind text not null,
    rule text not null,
    -- the first block of the contract's history when the sweep began
    first_block bigint not null default 0,
    -- the block up to which the rule was asked; null until the sweep begins, or begins anew because older facts changed
    swept_to bigint,
    -- indexer.contracts.prepared_at when the sweep began; another value means that all facts were deleted since
    prepared_at timestamptz,
    started_at timestamptz not null default now(),
    -- whether the contract contradicts this rule by nature, so that the sweep has ended
    property boolean not null default false,
    -- when a rule that needs the chain may ask it again; null means now
    asks_at timestamptz,
    primary key (chain_id, address, kind, rule)
  )`,
  // What a rule remembers of the facts up to swept_to: the owner of a token, the balance of a wallet, or (key '') the supply.
  sql`create table indexer.sweep_values (
    sweep_id bigint not null,
    key text not null,
    value text not null,
    -- the position of the latest fact that set the value
    position bigint not null,
    primary key (sweep_id, key)
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table indexer.sweep_values, indexer.sweeps`.execute(db);
}
