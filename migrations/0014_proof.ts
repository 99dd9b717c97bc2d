import { type Kysely, sql } from 'kysely';

/** What proves that the facts are complete: proved blocks, doubts about blocks, and repairs of facts. */
const STATEMENTS = [
  sql`alter table indexer.chains
    -- the blocks that the follower committed after it had compared every header with the logs
    add column verified int8multirange not null default '{}'`,
  sql`alter table indexer.contracts
    -- the covered blocks whose headers were compared with the facts, in addition to the verified blocks of [live_from, head]
    add column proved int8multirange not null default '{}'`,
  sql`create table indexer.doubts (
    chain_id bigint not null,
    address varchar(42) not null,
    kind text not null,
    -- the rule that the facts contradict
    rule text not null,
    -- the blocks in which a log may be missing, both included
    from_block bigint not null,
    to_block bigint not null,
    detail text not null,
    -- open: its blocks are to be read from receipts. read: they were read, and the rule is to be asked again. property: the
    -- receipts confirm the facts, so that the contract contradicts itself by nature. unreadable: no endpoint serves the blocks
    status text not null default 'open' check (status in ('open', 'read', 'property', 'unreadable')),
    -- the blocks from from_block on that were read from receipts, up to and with this one
    read_to bigint,
    -- facts that reading the blocks added or removed
    facts_changed bigint not null default 0,
    -- why the blocks cannot be read
    status_reason text,
    created_at timestamptz not null default now(),
    primary key (chain_id, address, kind, rule, from_block, to_block)
  )`,
  sql`create table indexer.repairs (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    address varchar(42) not null,
    kind text not null,
    from_block bigint not null,
    to_block bigint not null,
    -- what contradicted the facts: 'proof', or the rule of a doubt
    cause text not null,
    detail text not null,
    facts_added bigint not null,
    facts_removed bigint not null,
    -- the endpoint whose answer was wrong; null if it is not known
    endpoint text,
    repaired_at timestamptz not null default now()
  )`,
  sql`create index repairs_chain_id_id on indexer.repairs (chain_id, id)`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table indexer.repairs, indexer.doubts`.execute(db);
  await sql`alter table indexer.contracts drop column proved`.execute(db);
  await sql`alter table indexer.chains drop column verified`.execute(db);
}
