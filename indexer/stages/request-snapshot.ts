import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction, type Transaction } from '../db/transaction.ts';
import { IndexerError, UsageError } from '../kernel/errors.ts';
import { parseMultirange } from '../kernel/ranges.ts';
import { readChain } from '../progress/chains.ts';
import { completeTo } from '../progress/contract-coverage.ts';
import { lockChain, lockStages } from '../progress/locks.ts';
import { readStageRows } from '../progress/stage-rows.ts';
import { type SnapshotRequest, snapshots, takeRequestedSnapshot } from './snapshots.ts';

/** The result of a request: the number of rows written, and whether the stage `snapshots` will take the snapshot later. */
export type RequestedSnapshot = { readonly rows: number; readonly pending: boolean };

/**
 * Requests a snapshot of the owners of a master's tokens at the end of a block. If the stage `snapshots` has reached the block, takes the
 * snapshot at once. Otherwise the stage takes it later. The stage takes it again after a reorg or another change of history. A repeated
 * request changes nothing.
 *
 * @param timestamp the time of the block, in Unix seconds
 * @throws {UsageError} if the contract is not a registered master
 * @throws {IndexerError} if the contract is not complete up to the block
 */
export async function requestSnapshot(
  database: Database,
  request: SnapshotRequest,
  timestamp: number,
): Promise<RequestedSnapshot> {
  const { chainId, contract, block, reason } = request;
  return longTransaction(database, async (tx) => {
    // Lock the stages, so that the stage `snapshots` does not pass the block before it can see the request.
    await runSteps(tx, [lockChain(chainId, 'shared'), lockStages(chainId)]);
    await refuseIncomplete(tx, request);
    await sql`
      insert into indexer.snapshot_requests (chain_id, contract_address, block_number, reason, block_timestamp)
      values (${chainId}, ${contract}, ${block}, ${reason}, to_timestamp(${timestamp}))
      on conflict (chain_id, contract_address, block_number, reason) do update set block_timestamp = excluded.block_timestamp
    `.execute(tx);
    const asOf = (await readStageRows(tx, chainId)).get(snapshots.name)?.asOf;
    if (asOf === undefined || asOf.number < block) return { rows: 0, pending: true };
    return { rows: await takeRequestedSnapshot(tx, request), pending: false };
  });
}

async function refuseIncomplete(tx: Transaction, { chainId, contract, block }: SnapshotRequest): Promise<void> {
  const row = await tx
    .selectFrom('indexer.contracts')
    .select(['deployed_at_block', 'covered', 'live_from'])
    .where('chain_id', '=', String(chainId))
    .where('kind', '=', 'master')
    .where('address', '=', contract)
    .executeTakeFirst();
  if (row === undefined) throw new UsageError(`${contract} is not a registered master contract of chain ${chainId}`);
  const { head } = await readChain(tx, chainId);
  const number = (column: string | null) => (column === null ? null : Number(column));
  const coverage = {
    deployedAtBlock: number(row.deployed_at_block),
    covered: parseMultirange(row.covered),
    liveFrom: number(row.live_from),
  };
  const complete = completeTo(coverage, head?.number ?? null);
  if (complete !== null && complete >= block) return;
  const state = complete === null ? 'its history is not complete' : `it is complete up to block ${complete} only`;
  const advice =
    '`indexer status` shows what is missing; fill it with `indexer start` or `indexer backfill` and repeat this command';
  throw new IndexerError(`no snapshot of ${contract} at block ${block}: ${state}; ${advice}`);
}
