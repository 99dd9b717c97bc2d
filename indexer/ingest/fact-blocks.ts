import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { isOfChain, tableOf } from '../facts/facts-sql.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import { factTables } from '../protocols/protocols.ts';

/**
 * The blocks of a stretch, neither end included, that the database knows by the facts in them, newest first and at most
 * `count`: what it remembers of history between two checkpoints.
 */
export async function factBlocks(
  database: Database,
  chainId: number,
  { above, below }: { readonly above: number; readonly below: number },
  count: number,
): Promise<readonly BlockRef[]> {
  // The unique index on (chain_id, block_number, log_index) of each table gives its newest blocks without a sort.
  const known = factTables.map(
    (table) => sql`
      (select distinct block_number::bigint as number, block_hash as hash from ${tableOf(table)}
      where ${isOfChain(table, chainId)} and block_number > ${above} and block_number < ${below}
      order by 1 desc limit ${count})`,
  );
  const { rows } = await sql<{ number: string; hash: Hex }>`
    select distinct number, hash from (${sql.join(known, sql` union all `)}) known order by number desc limit ${count}
  `.execute(database.kysely);
  return rows.map(({ number, hash }) => ({ number: Number(number), hash }));
}
