import type { Database } from '../../indexer/db/database.ts';
import { settleIpoSupplies } from '../../indexer/registry/ipo-supplies.ts';
import { settleRevenueLinks } from '../../indexer/registry/revenue-links.ts';
import { advanceStages, Stride } from '../../indexer/stages/advance-stages.ts';
import { stages } from '../../indexer/stages/stages.ts';
import type { Queryable } from './queryable.ts';

/**
 * Runs the work that follows the commits of some chains: advances the stages to the blocks up to which every contract is complete,
 * and settles the supplies of IPOs and the links to revenue.
 */
export async function settleStages(
  database: Database,
  chainIds: readonly number[],
  stride = new Stride(() => performance.now()),
): Promise<void> {
  for (const chainId of chainIds) {
    const [failure] = await advanceStages(database, { chainId, stages }, stride);
    if (failure !== undefined) throw failure.error;
  }
  await settleIpoSupplies(database);
  await settleRevenueLinks(database);
}

/** Returns whether every stage of some chains is at the chain's head and no change of history is pending. */
export async function areStagesAtHead(db: Queryable, chainIds: readonly number[]): Promise<boolean> {
  const { rows } = await db.query(
    `select from indexer.chains
     where chain_id = any($2::bigint[]) and (chain_id in (select chain_id from indexer.history_changes)
       or exists (
         select from unnest($1::text[]) as known (name) left join indexer.stages stage
           on stage.chain_id = chains.chain_id and stage.name = known.name
         where (stage.as_of_number, stage.as_of_hash) is distinct from (chains.head_number, chains.head_hash)))`,
    [stages.map(({ name }) => name), chainIds],
  );
  return rows.length === 0;
}
