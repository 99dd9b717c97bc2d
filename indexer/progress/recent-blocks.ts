import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';

/** A recently committed block. `time` is its timestamp in seconds. */
export type RecentBlock = { readonly number: number; readonly hash: Hex; readonly time: number };

/** A reorg. The blocks above `to` were unwound. */
export type RecentReorg = {
  readonly from: number;
  readonly to: number;
  readonly depth: number;
  readonly detectedAt: string;
};

/** The newest blocks and reorgs of a chain, the newest first. */
export type RecentBlocks = {
  readonly chainId: number;
  readonly blocks: readonly RecentBlock[];
  readonly reorgs: readonly RecentReorg[];
};

const BLOCKS_MAX = 60;
const REORGS_MAX = 10;

/** Reads the newest checkpoints and reorgs of every chain. Below the finalized block not every block has a checkpoint. */
export async function recentBlocks(db: Kysely<DB>): Promise<readonly RecentBlocks[]> {
  const { rows } = await sql<RecentBlocks>`
    select chain_id::float8 as "chainId",
      (select coalesce(json_agg(json_build_object('number', number, 'hash', hash, 'time', extract(epoch from timestamp)::bigint)), '[]')
        from (select number, hash, timestamp from indexer.block_checkpoints checkpoint
          where checkpoint.chain_id = chains.chain_id order by number desc limit ${BLOCKS_MAX}) newest) as blocks,
      (select coalesce(json_agg(json_build_object('from', from_number, 'to', to_number, 'depth', depth, 'detectedAt', detected_at)), '[]')
        from (select from_number, to_number, depth, detected_at from indexer.reorgs reorg
          where reorg.chain_id = chains.chain_id and reason = 'reorg' order by id desc limit ${REORGS_MAX}) newest) as reorgs
    from indexer.chains order by chain_id
  `.execute(db);
  return rows;
}

/** The newest committed block of a chain. */
export type ChainHead = {
  readonly chainId: number;
  readonly head: BlockRef | null;
  readonly headTimestamp: Date | null;
  readonly finalized: number | null;
  /** The time of the last recorded change of the chain, normally a move of the head. */
  readonly updatedAt: Date | null;
};

/** Reads the heads of all chains. This takes much less time than reading their whole status. */
export async function chainHeads(db: Kysely<DB>): Promise<readonly ChainHead[]> {
  const rows = await db
    .selectFrom('indexer.chains')
    .leftJoin('indexer.block_checkpoints as checkpoint', (join) =>
      join
        .onRef('checkpoint.chain_id', '=', 'indexer.chains.chain_id')
        .onRef('checkpoint.number', '=', 'indexer.chains.head_number'),
    )
    .select([
      'indexer.chains.chain_id',
      'head_number',
      'head_hash',
      'finalized_number',
      'updated_at',
      'checkpoint.timestamp',
    ])
    .execute();
  return rows.map((row) => ({
    chainId: Number(row.chain_id),
    head:
      row.head_number === null || row.head_hash === null
        ? null
        : { number: Number(row.head_number), hash: row.head_hash as Hex },
    headTimestamp: row.timestamp,
    finalized: row.finalized_number === null ? null : Number(row.finalized_number),
    updatedAt: row.updated_at,
  }));
}
