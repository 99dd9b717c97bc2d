import { type Kysely, sql } from 'kysely';

/** Why a deployment block is unknown, and what the answers of a contract tell of it. */
const STATEMENTS = [
  sql`alter table indexer.contracts
    -- why deployed_at_block could not be proved; counts only while that is null
    add column deployment_note text,
    -- the protocol with which the contract's answers were compared, and its version; null until they were
    add column identified_as text,
    -- whether the contract speaks that protocol; null if its answers do not tell
    add column speaks_protocol boolean,
    -- what the contract is instead, or what its answers lack
    add column identity_note text`,
  // Contracts that were read before are compared once.
  sql`update indexer.contracts set metadata_read_at = null where kind <> 'dividend'`,
  sql`create function indexer.reset_identity() returns trigger language plpgsql as $$
    begin
      new.identified_as := null;
      new.speaks_protocol := null;
      new.identity_note := null;
      return new;
    end $$`,
  // Whatever has a contract read again also forgets what it was compared with.
  sql`create trigger reset_identity before update of metadata_read_at on indexer.contracts for each row
    when (new.metadata_read_at is null and old.metadata_read_at is not null)
    execute function indexer.reset_identity()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger reset_identity on indexer.contracts`.execute(db);
  await sql`drop function indexer.reset_identity()`.execute(db);
  await sql`
    alter table indexer.contracts drop column deployment_note, drop column identified_as, drop column speaks_protocol,
      drop column identity_note
  `.execute(db);
}
