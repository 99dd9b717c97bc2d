import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // What all processes have spent at endpoints with a monthly budget.
  await sql`
    create table indexer.endpoint_spending (
      -- the first day of the month in UTC
      month date not null,
      -- the host of the URL, without a key that it may contain
      host text not null,
      -- 16 bits of a hash of URL and headers, which tell the keys of a host apart and do not reveal them
      key_hash text not null,
      calls bigint not null,
      compute_units bigint not null,
      primary key (month, host, key_hash)
    )
  `.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table indexer.endpoint_spending`.execute(db);
}
