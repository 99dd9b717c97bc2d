import { type Kysely, sql } from 'kysely';
import { attempt } from './attempt.ts';

/** What makes filling and following fast. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // Indexes that an initial load left for its end; whoever finds a row here builds the index and takes the row away.
  await sql`
    create table indexer.deferred_indexes (
      name text primary key,
      -- as pg_get_indexdef gives it
      definition text not null,
      deferred_at timestamptz not null default now()
    )
  `.execute(db);
  // Lets a statement tell by itself that a transaction must not go on: then its commit can be sent along with it.
  await sql`
    create function indexer.refuse() returns void language plpgsql as $body$
    begin
      raise exception using errcode = 'IX001', message = 'refused by a condition of the statement';
    end $body$
  `.execute(db);
  // Checked for every transfer it was a fifth of the cost of filling, and it kept nothing that the holders' key does not
  // keep: whoever a transfer names is a holder.
  await sql`alter table token_transfers drop constraint token_transfers_artist_token_id_artist_tokens_id_fk`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await attempt(db, () =>
    sql`
      alter table token_transfers add constraint token_transfers_artist_token_id_artist_tokens_id_fk
      foreign key (artist_token_id) references artist_tokens (id)
    `.execute(db),
  );
  const { rows } = await sql<{ name: string; definition: string }>`
    select name, definition from indexer.deferred_indexes order by name
  `.execute(db);
  for (const { name, definition } of rows) {
    await sql`drop index if exists ${sql.table(name)}`.execute(db);
    await sql.raw(definition).execute(db);
  }
  await sql`drop table indexer.deferred_indexes`.execute(db);
  await sql`drop function indexer.refuse`.execute(db);
}
