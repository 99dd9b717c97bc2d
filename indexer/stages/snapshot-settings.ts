import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction, type Transaction } from '../db/transaction.ts';
import type { Hex } from '../kernel/chain.ts';
import { UsageError } from '../kernel/errors.ts';
import { lockChain, lockStages } from '../progress/locks.ts';
import { readStageRows } from '../progress/stage-rows.ts';
import { snapshots, takeDistributionSnapshots } from './snapshots.ts';

/** Which snapshots of a master are taken without a request. An undefined choice leaves the setting unchanged. */
export type SnapshotChoice = {
  readonly chainId: number;
  readonly contract: Hex;
  /** Whether a snapshot is taken at each distribution of dividends to the master's tokens. */
  readonly dividend: boolean | undefined;
  /** Whether a snapshot is taken at the end of each day. */
  readonly daily: boolean | undefined;
};

/**
 * Chooses which snapshots of a master are taken. Deletes the snapshots of a kind that is turned off. If snapshots at distributions are
 * turned on, takes the snapshots of past distributions too. Daily snapshots begin with the next midnight (UTC) after they are turned on.
 *
 * @throws {UsageError} if the contract is not a registered master
 */
export async function chooseSnapshots(database: Database, choice: SnapshotChoice): Promise<void> {
  const { chainId, contract, dividend, daily } = choice;
  await longTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'shared'), lockStages(chainId)]);
    await refuseUnregistered(tx, choice);
    await sql`
      insert into indexer.snapshot_settings as held (chain_id, contract_address, dividend, daily, daily_to)
      values (${chainId}, ${contract}, ${dividend ?? true}, ${daily ?? null}, ${daily === true ? sql`now()` : null})
      on conflict (chain_id, contract_address) do update set
        dividend = ${dividend === undefined ? sql`held.dividend` : sql`excluded.dividend`},
        daily = ${daily === undefined ? sql`held.daily` : sql`excluded.daily`},
        daily_to = case when ${daily === true} and held.daily is distinct from true then now() else held.daily_to end
    `.execute(tx);
    if (dividend === false) await deleteSnapshots(tx, choice, 'dividend');
    if (daily === false) await deleteSnapshots(tx, choice, 'daily');
    const asOf = (await readStageRows(tx, chainId)).get(snapshots.name)?.asOf;
    if (dividend === true && asOf !== undefined) await takeDistributionSnapshots(tx, chainId, asOf.number, contract);
  });
}

async function deleteSnapshots(tx: Transaction, { chainId, contract }: SnapshotChoice, reason: string): Promise<void> {
  await sql`
    delete from indexer.snapshot_requests
    where chain_id = ${chainId} and contract_address = ${contract} and reason = ${reason}
  `.execute(tx);
  await sql`
    delete from nft_ownership_snapshots where chain_id = ${String(chainId)} and contract_address = ${contract}
      and snapshot_reason = ${reason} and snapshot_log_index is not null
  `.execute(tx);
}

async function refuseUnregistered(tx: Transaction, { chainId, contract }: SnapshotChoice): Promise<void> {
  const row = await tx
    .selectFrom('indexer.contracts')
    .select('address')
    .where('chain_id', '=', String(chainId))
    .where('kind', '=', 'master')
    .where('address', '=', contract)
    .executeTakeFirst();
  if (row === undefined) throw new UsageError(`${contract} is not a registered master contract of chain ${chainId}`);
}
