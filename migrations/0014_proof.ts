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
    updated_at timestamptz not null default now(),
    primary key (chain_id, address, kind, rule, from_block, to_block)
  )`,
  sql`create table indexer.failed_proofs (
    chain_id bigint not null,
    from_block bigint not null,
    to_block bigint not null,
    -- why the blocks cannot be read in full
    reason text not null,
    tried_at timestamptz not null default now(),
    primary key (chain_id, from_block, to_block)
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
    facts_added bigint not null,
    facts_removed bigint not null,
    -- the endpoints that were found to give other logs than the receipts hold
    endpoints text[] not null default '{}',
    repaired_at timestamptz not null default now()
  )`,
  sql`create index repairs_chain_id_id on indexer.repairs (chain_id, id)`,
  sql`create function indexer.reset_proof() returns trigger language plpgsql as $$
    begin
      new.proved := '{}';
      return new;
    end $$`,
  // Whatever empties a contract's coverage also empties what was proved of it.
  sql`create trigger reset_proof before update of covered, live_from on indexer.contracts for each row
    when (new.covered = '{}' and new.live_from is null and new.proved <> '{}')
    execute function indexer.reset_proof()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger reset_proof on indexer.contracts`.execute(db);
  await sql`drop function indexer.reset_proof()`.execute(db);
  await sql`drop table indexer.failed_proofs, indexer.repairs, indexer.doubts`.execute(db);
  await sql`alter table indexer.contracts drop column proved`.execute(db);
  await sql`alter table indexer.chains drop column verified`.execute(db);
}
