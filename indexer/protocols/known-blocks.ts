import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import { isOfChain, tableOf } from '../facts/facts-sql.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import { factTables } from './protocols.ts';

/**
 * Returns the newest block at or below a height whose hash is in the database: as a checkpoint (a block that a commit recorded), as the
 * parent of a checkpoint, or in a fact. Returns undefined if there is no such block. The hash is not read from the RPC node, because the
 * node may be on another branch at that height.
 */
export async function newestKnownBlock(db: Kysely<DB>, chainId: number, number: number): Promise<BlockRef | undefined> {
  return firstKnownBlock(db, chainId, number, { comparison: sql`<=`, order: sql`desc` });
}

/** Returns the oldest block at or above a height whose hash is in the database. The counterpart of `newestKnownBlock`. */
export async function oldestKnownBlock(db: Kysely<DB>, chainId: number, number: number): Promise<BlockRef | undefined> {
  return firstKnownBlock(db, chainId, number, { comparison: sql`>=`, order: sql`asc` });
}

async function firstKnownBlock(
  db: Kysely<DB>,
  chainId: number,
  height: number,
  { comparison, order }: { readonly comparison: RawBuilder<unknown>; readonly order: RawBuilder<unknown> },
): Promise<BlockRef | undefined> {
  const facts = factTables.map(
    (table) => sql`
      (select block_number::bigint as number, block_hash as hash from ${tableOf(table)}
      where ${isOfChain(table, chainId)} and block_number ${comparison} ${height}
      order by block_number ${order} limit 1)`,
  );
  const { rows } = await sql<{ number: string; hash: Hex }>`
    select number, hash from (
      (select number, hash from indexer.block_checkpoints where chain_id = ${chainId} and number ${comparison} ${height}
        order by number ${order} limit 1)
      union all
      (select number - 1, parent_hash from indexer.block_checkpoints
        where chain_id = ${chainId} and number > 0 and number ${comparison} ${height + 1}
        order by number ${order} limit 1)
      union all
      ${sql.join(facts, sql` union all `)}
    ) known
    order by number ${order} limit 1
  `.execute(db);
  return rows[0] && { number: Number(rows[0].number), hash: rows[0].hash };
}

/**
 * Returns the blocks with facts between two heights, both excluded, newest first, at most `count`. Checkpoints of history lie far apart.
 * Between two of them, the database knows the hashes of few blocks other than those with facts.
 */
export async function factBlocks(
  db: Kysely<DB>,
  chainId: number,
  { above, below }: { readonly above: number; readonly below: number },
  count: number,
): Promise<readonly BlockRef[]> {
  // An index of each table begins with (chain_id, block_number). It returns the newest blocks without a sort.
  const known = factTables.map(
    (table) => sql`
      (select distinct block_number::bigint as number, block_hash as hash from ${tableOf(table)}
      where ${isOfChain(table, chainId)} and block_number > ${above} and block_number < ${below}
      order by 1 desc limit ${count})`,
  );
  const { rows } = await sql<{ number: string; hash: Hex }>`
    select distinct number, hash from (${sql.join(known, sql` union all `)}) known order by number desc limit ${count}
  `.execute(db);
  return rows.map(({ number, hash }) => ({ number: Number(number), hash }));
}
