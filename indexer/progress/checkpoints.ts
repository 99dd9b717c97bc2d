import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Step } from '../db/step.ts';
import type { Transaction } from '../db/transaction.ts';
import type { BlockHeader, BlockRef, Hex } from '../kernel/chain.ts';
import { FactConflict } from '../kernel/errors.ts';

/**
 * Returns a step that saves blocks as checkpoints. The step throws `FactConflict` if a checkpoint of another block exists at one of the
 * heights, or if the parent hashes of adjacent checkpoints do not match.
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
    refusal: () => new FactConflict('the database holds another branch', { context: { chainId, ...blocks } }),
  };
}

/** Returns whether any of the given blocks has another hash than the checkpoint at its height. */
export async function isOnOtherBranch(
  db: Kysely<DB>,
  chainId: number,
  headers: readonly BlockHeader[],
): Promise<boolean> {
  const { rows } = await sql`
    select from indexer.block_checkpoints held
    join unnest(${headers.map((h) => h.number)}::bigint[], ${headers.map((h) => h.hash)}::text[]) as given (number, hash) using (number)
    where held.chain_id = ${chainId} and held.hash <> given.hash limit 1
  `.execute(db);
  return rows.length > 0;
}

/** Returns the checkpoint at a height. Undefined if there is none. */
export async function checkpointAt(db: Kysely<DB>, chainId: number, number: number): Promise<BlockRef | undefined> {
  const row = await db
    .selectFrom('indexer.block_checkpoints')
    .select('hash')
    .where('chain_id', '=', String(chainId))
    .where('number', '=', String(number))
    .executeTakeFirst();
  return row && { number, hash: row.hash as Hex };
}

/** Returns the checkpoints at or below a height, newest first, at most `count`. */
export async function checkpointsUpTo(
  db: Kysely<DB>,
  chainId: number,
  number: number,
  count: number,
): Promise<readonly BlockRef[]> {
  const rows = await db
    .selectFrom('indexer.block_checkpoints')
    .select(['number', 'hash'])
    .where('chain_id', '=', String(chainId))
    .where('number', '<=', String(number))
    .orderBy('number', 'desc')
    .limit(count)
    .execute();
  return rows.map((row) => ({ number: Number(row.number), hash: row.hash as Hex }));
}

/** Deletes the checkpoints above a height. */
export async function deleteCheckpointsAbove(tx: Transaction, chainId: number, number: number): Promise<void> {
  await tx
    .deleteFrom('indexer.block_checkpoints')
    .where('chain_id', '=', String(chainId))
    .where('number', '>', String(number))
    .execute();
}

/** `thinCheckpoints` keeps the checkpoints of blocks whose number is a multiple of this. */
const SPARSE_CHECKPOINT_BLOCKS = 1024;

/**
 * Deletes the checkpoints of a range that is too old for a reorg, so that the number of checkpoints stays small. Keeps the checkpoints of
 * blocks whose number is a multiple of `SPARSE_CHECKPOINT_BLOCKS`.
 */
export async function thinCheckpoints(db: Kysely<DB>, chainId: number, from: number, to: number): Promise<void> {
  await db
    .deleteFrom('indexer.block_checkpoints')
    .where('chain_id', '=', String(chainId))
    .where(({ between }) => between('number', String(from), String(to)))
    .where(({ eb }) => eb(eb('number', '%', String(SPARSE_CHECKPOINT_BLOCKS)), '<>', '0'))
    .execute();
}
