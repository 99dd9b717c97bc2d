import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction, type Transaction } from '../db/transaction.ts';
import { tableOf } from '../facts/facts-sql.ts';
import type { Contract } from '../kernel/chain.ts';
import { raiseLiveVersion } from '../progress/chains.ts';
import { type Rereading, resetCoverageForReread } from '../progress/contract-state.ts';
import { lockChain } from '../progress/locks.ts';
import { recordContractChange } from '../progress/stage-rows.ts';
import { factTablesOf, folds } from '../protocols/protocols.ts';
import { stages } from '../stages/stages.ts';
import { unwindStages } from '../stages/unwind-stages.ts';

/**
 * Deletes a contract's facts, unwinds the state derived from them, and empties its coverage, in one transaction, so that its history is
 * read again with other events. The contract stays active: the follower covers it again from the head on, and its history is planned like
 * any gap. Columns that the platform owns stay.
 *
 * The transaction holds the chain's lock exclusively, so no commit is running. A follower that has already fetched its next block finds
 * `live_version` raised and fetches the block again with the new events.
 *
 * @returns false if another process did it first, or if the contract is no longer followed
 */
export async function rereadContract(database: Database, contract: Contract, rereading: Rereading): Promise<boolean> {
  const { chainId } = contract;
  return longTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    if (!(await resetCoverageForReread(tx, chainId, contract, rereading))) return false;
    const head = (await raiseLiveVersion(tx, chainId)) ?? 0;
    await sql`set constraints all deferred`.execute(tx);
    // Stages come first, because their rows refer to rows of state that are deleted next.
    await unwindStages(tx, chainId, undefined, stages);
    const range = { chainId, from: 0, to: head, contracts: [contract] };
    await runSteps(
      tx,
      folds.toReversed().flatMap((fold) => fold.unwind(range)),
    );
    await recordContractChange(tx, chainId, contract);
    await deleteFacts(tx, contract);
    await sql`select pg_notify('indexer_contracts', ${String(chainId)})`.execute(tx);
    return true;
  });
}

async function deleteFacts(tx: Transaction, contract: Contract): Promise<void> {
  for (const table of factTablesOf(contract.kind)) {
    await sql`delete from ${tableOf(table)} where ${table.rowsOf(contract)} and block_hash is not null`.execute(tx);
  }
}
