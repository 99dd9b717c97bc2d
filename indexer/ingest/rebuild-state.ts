import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction } from '../db/transaction.ts';
import { readChain } from '../progress/chains.ts';
import { lockChain } from '../progress/locks.ts';
import { newestKnownBlock } from '../protocols/known-blocks.ts';
import { folds, stateTables } from '../protocols/protocols.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import { stages } from '../stages/stages.ts';
import { unwindStages } from '../stages/unwind-stages.ts';

/**
 * Resets the state of a contract and derives it again from all its facts, in one transaction. Stages are unwound to before the
 * contract's first block, and advance again afterwards. Columns that the platform owns stay.
 *
 * The transaction holds the chain's lock exclusively, so no commit is running.
 */
export async function rebuildState(database: Database, contract: RegisteredContract): Promise<void> {
  const { chainId, address, kind, deployedAtBlock } = contract;
  await longTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    const { head } = await readChain(tx, chainId);
    if (head === undefined) return;
    await sql`set constraints all deferred`.execute(tx);
    // Stages come first, because their rows refer to rows of state that are reset next.
    await unwindStages(tx, chainId, await newestKnownBlock(tx, chainId, (deployedAtBlock ?? 0) - 1), stages);
    const own = tx
      .selectFrom('indexer.contracts')
      .select('platform_id')
      .where('chain_id', '=', String(chainId))
      .where('address', '=', address)
      .where('kind', '=', kind);
    for (const table of stateTables) if (table.kind === kind) await runSteps(tx, table.reset?.(own) ?? []);
    const range = { chainId, from: 0, to: head.number, contracts: [contract] };
    await runSteps(
      tx,
      folds.flatMap((fold) => fold.apply(range)),
    );
  });
}
