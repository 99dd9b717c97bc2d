import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // The newest scheduled verification of each chain.
  await sql`
    create table indexer.verifications (
      chain_id bigint primary key,
      -- when the newest one began; the columns below are of the newest one that ended
      started_at timestamptz not null default now(),
      finished_at timestamptz,
      -- the block as of which the chain was asked
      block bigint,
      -- repeats the sample: indexer verify --seed
      seed bigint,
      answers bigint,
      blocks bigint,
      differences bigint,
      -- some of the differences, one sentence each
      examples text[] not null default '{}',
      -- why it could not be carried out
      failed_reason text
    )
  `.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table indexer.verifications`.execute(db);
}
