import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { BlockRef } from '../kernel/chain.ts';

/** Records the newest safe block of a chain, if the mirror holds that block. The views of `mirror_safe` show the mirror as of it. */
export async function saveSafeBlock(db: Kysely<DB>, chainId: number, { number, hash }: BlockRef): Promise<void> {
  await sql`
    update indexer.chains chain set safe_number = ${number}
    where chain_id = ${chainId} and head_number >= ${number} and coalesce(safe_number < ${number}, true) and exists (
      select from indexer.block_checkpoints held
      where held.chain_id = chain.chain_id and held.number = ${number} and held.hash = ${hash})
  `.execute(db);
}
