import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Step } from '../db/step.ts';
import type { BlockHeader, BlockRef, Hex } from '../kernel/chain.ts';
import { FactConflict } from '../kernel/errors.ts';

/**
 * Remembers blocks that a commit reached. The step throws `FactConflict` when another block is remembered at one of the
 * heights, or when a neighbour does not link.
 */
export function saveCheckpoints(chainId: number, headers: readonly BlockHeader[]): Step {
  const statement = sql`
    with given as (
      select number, hash, parent_hash, to_timestamp(timestamp) as timestamp
      from unnest(${headers.map((h) => h.number)}::bigint[], ${headers.map((h) => h.hash)}::text[],
                  ${headers.map((h) => h.parentHash)}::text[], ${headers.map((h) => h.timestamp)}::bigint[])
        as given (number, hash, parent_hash, timestamp)
    ),
    saved as (
      insert into indexer.block_checkpoints (chain_id, number, hash, parent_hash, timestamp)
      select ${chainId}, number, hash, parent_hash, timestamp from given order by number
      on conflict do nothing
    )
    select indexer.refuse() from given
    join indexer.block_checkpoints held on held.chain_id = ${chainId} and (
      (held.number = given.number and held.hash <> given.hash)
      or (held.number = given.number - 1 and held.hash <> given.parent_hash)
      or (held.number = given.number + 1 and held.parent_hash <> given.hash))
  `;
  const blocks = { from: headers[0]?.number, to: headers.at(-1)?.number };
  return {
    statement,
    refusal: () => new FactConflict('the database remembers another branch', { context: { chainId, ...blocks } }),
  };
}

/** The remembered block at a height: a checkpoint, else the block hash that a fact there carries. */
export async function blockAt(db: Kysely<DB>, chainId: number, number: number): Promise<BlockRef | undefined> {
  const { rows } = await sql<{ hash: Hex }>`
    select hash from indexer.block_checkpoints where chain_id = ${chainId} and number = ${number}
  `.execute(db);
  return rows[0] && { number, hash: rows[0].hash };
}

/** The newest remembered blocks at or below a height, newest first. */
export async function blocksBelow(
  db: Kysely<DB>,
  chainId: number,
  number: number,
  count: number,
): Promise<readonly BlockRef[]> {
  const { rows } = await sql<{ number: string; hash: Hex }>`
    select number, hash from indexer.block_checkpoints
    where chain_id = ${chainId} and number <= ${number}
    order by number desc limit ${count}
  `.execute(db);
  return rows.map((row) => ({ number: Number(row.number), hash: row.hash }));
}

/** Every how many blocks a checkpoint is kept for good. */
const SPARSE_CHECKPOINT_BLOCKS = 1024;

/** Thins the checkpoints of a stretch that no reorg will reach any more, so that their number stays bounded. */
export async function thinCheckpoints(db: Kysely<DB>, chainId: number, from: number, to: number): Promise<void> {
  await sql`
    delete from indexer.block_checkpoints
    where chain_id = ${chainId} and number between ${from} and ${to} and number % ${SPARSE_CHECKPOINT_BLOCKS} <> 0
  `.execute(db);
}
