import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { raiseLiveVersion } from '../progress/chains.ts';
import { removeContracts } from '../progress/contract-state.ts';
import { lockChain } from '../progress/locks.ts';
import { purgeContract } from './purge.ts';

/** A contract that was removed, and how many of its rows were deleted. */
export type Removed = { readonly kind: ContractKind; readonly address: Hex; readonly purgedRows: number };

/** Which contract to remove. */
export type Removal = {
  readonly chainId: number;
  readonly address: Hex;
  /** The kind of the contract to remove. If undefined, the contracts of all kinds at the address are removed. */
  readonly kind?: ContractKind | undefined;
  /** Whether the facts and the state of the contract are deleted too. */
  readonly purge: boolean;
};

/**
 * Stops following a contract. Its coverage (the blocks whose facts are all present) ends at the head, so its rows stay correct up to the
 * block at which it was removed. Repeating it changes nothing.
 *
 * Holds the chain's lock exclusively, so that no commit is in flight. A follower that has already fetched its next block notices that
 * `live_version` was raised, and fetches again without the contract.
 *
 * @returns the contracts that were removed; empty if the address is not registered.
 */
export async function removeContract(database: Database, removal: Removal): Promise<readonly Removed[]> {
  const { chainId, address, kind, purge } = removal;
  return transaction(database, async (tx) => {
    await sql`set local statement_timeout = 0`.execute(tx);
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    await raiseLiveVersion(tx, chainId);
    const rows = await removeContracts(tx, chainId, address, kind);
    const removed: Removed[] = [];
    for (const row of rows) {
      const purgedRows = purge
        ? await purgeContract(tx, { chainId, address, kind: row.kind, platformId: row.platformId })
        : 0;
      removed.push({ kind: row.kind, address, purgedRows });
    }
    return removed;
  });
}
