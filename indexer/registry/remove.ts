import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { lockChain } from '../progress/locks.ts';
import { purgeContract } from './purge.ts';

export type Removed = { readonly kind: ContractKind; readonly address: Hex; readonly purgedRows: number };

export type Removal = {
  readonly chainId: number;
  readonly address: Hex;
  /** Only the contract of this kind, where one address is registered as several. */
  readonly kind?: ContractKind | undefined;
  /** Whether its facts and state are deleted too. */
  readonly purge: boolean;
};

/**
 * Stops following a contract: what it covers is frozen, so that the rows stay true up to the block at which it was removed.
 * Repeating it changes nothing.
 *
 * The chain's lock is held alone, so no commit is under way; a follower that already fetched its next block finds
 * `live_version` raised and fetches anew without the contract.
 *
 * @returns what was removed; empty where the address is not registered.
 */
export async function removeContract(database: Database, removal: Removal): Promise<readonly Removed[]> {
  const { chainId, address, kind, purge } = removal;
  return transaction(database, async (tx) => {
    await sql`set local statement_timeout = 0`.execute(tx);
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    await sql`update indexer.chains set live_version = live_version + 1, updated_at = now() where chain_id = ${chainId}`.execute(
      tx,
    );
    const { rows } = await sql<{ kind: ContractKind; platform_id: string }>`
      update indexer.contracts contract set
        covered = case
          when live_from <= chain.head_number then covered + int8multirange(int8range(live_from, chain.head_number, '[]'))
          else covered end,
        live_from = null, status = 'removed', status_reason = null, quarantined_at_block = null
      from (values (${chainId}::bigint)) as asked (chain_id) left join indexer.chains chain using (chain_id)
      where contract.chain_id = asked.chain_id and contract.address = ${address}
        and (${kind ?? null}::text is null or contract.kind = ${kind ?? null})
      returning contract.kind, contract.platform_id
    `.execute(tx);
    const removed: Removed[] = [];
    for (const row of rows) {
      const purgedRows = purge
        ? await purgeContract(tx, { chainId, address, kind: row.kind, platformId: row.platform_id })
        : 0;
      removed.push({ kind: row.kind, address, purgedRows });
    }
    return removed;
  });
}
