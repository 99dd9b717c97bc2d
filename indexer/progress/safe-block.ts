import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { BlockRef } from '../kernel/chain.ts';

/**
 * Records the block that endpoints give for the tag `safe`, if the mirror holds this block and has recorded no newer one. The views of the
 * schema `mirror_safe` show the mirror as of this block. Records nothing while a commit locks the chain's row: the wait for a long
 * commit would end in a lock timeout. The next call tries again.
 */
export async function saveSafeBlock(db: Kysely<DB>, chainId: number, { number, hash }: BlockRef): Promise<void> {
  await sql`
    with chain as (
      select chain_id from indexer.chains
      where chain_id = ${chainId} and head_number >= ${number} and coalesce(safe_number < ${number}, true) and exists (
        select from indexer.block_checkpoints held
        where held.chain_id = chains.chain_id and held.number = ${number} and held.hash = ${hash})
      for no key update skip locked
    )
    update indexer.chains set safe_number = ${number} from chain where chains.chain_id = chain.chain_id
  `.execute(db);
}
