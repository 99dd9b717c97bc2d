import { type Kysely, sql } from 'kysely';

/** Indexes that an initial load drops and rebuilds at its end. A process that finds a row builds the index and deletes the row. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table indexer.deferred_indexes (
      name text primary key,
      -- the result of pg_get_indexdef
      definition text not null,
      deferred_at timestamptz not null default now()
    )
  `.execute(db);
}

/** Builds the deferred indexes first, because nothing would build them later. */
export async function down(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ name: string; definition: string }>`
    select name, definition from indexer.deferred_indexes order by name
  `.execute(db);
  for (const { name, definition } of rows) {
    await sql`drop index if exists ${sql.table(name)}`.execute(db);
    await sql.raw(definition).execute(db);
  }
  await sql`drop table indexer.deferred_indexes`.execute(db);
}
