import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { longTransaction, type Transaction } from '../db/transaction.ts';
import type { FactTable, PlatformIdQuery } from '../facts/fact-table.ts';
import { isOfChain, tableOf } from '../facts/facts-sql.ts';
import { newestFormerBlock } from '../facts/former-facts.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { markPrepared } from '../progress/contract-registration.ts';
import { lockChain } from '../progress/locks.ts';
import { recordContractChange } from '../progress/stage-rows.ts';
import { factTables, stateTables } from '../protocols/protocols.ts';
import { deletions } from './contract-rows.ts';

/**
 * Prepares newly registered contracts: sets their state to that of no facts (invariant 2), whatever the platform or its former indexer
 * wrote there, and notes how far the facts of a former indexer reach, which have no block hash. Runs before a contract is first
 * followed. History then brings every value back.
 *
 * @returns how many contracts were prepared
 */
export async function prepareContracts(database: Database, chainId: number): Promise<number> {
  const { rows } = await sql<{ one: number }>`
    select 1 as one from indexer.contracts where chain_id = ${chainId} and prepared_at is null limit 1
  `.execute(database.kysely);
  if (rows.length === 0) return 0;
  return longTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    await deleteRetired(tx, chainId);
    return resetUnprepared(tx, chainId);
  });
}

/** Deletes the rows of contracts at addresses that the platform has corrected, before anything is followed in their place. */
async function deleteRetired(tx: Transaction, chainId: number): Promise<void> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; platform_id: string }>`
    select address, kind, platform_id from indexer.contracts
    where chain_id = ${chainId} and (status = 'removed' or platform_id = any(retired_ids)) and prepared_at is null
    order by address, kind
  `.execute(tx);
  for (const { address, kind, platform_id: platformId } of rows) {
    for (const statement of deletions({ chainId, address, kind, platformId })) await statement.execute(tx);
    await recordContractChange(tx, chainId, { address, kind });
  }
}

/** Prepares new contracts within a transaction that holds the chain's exclusive lock. */
export async function resetUnprepared(tx: Transaction, chainId: number): Promise<number> {
  for (const { kind, reset } of stateTables) await runSteps(tx, reset?.(unprepared(tx, chainId, kind)) ?? []);
  for (const table of factTables) await deleteOrphans(tx, chainId, table);
  return markPrepared(tx, chainId, newestFormerBlock(factTables));
}

/** Returns a query for the platform ids of contracts of a kind that were not prepared yet. */
function unprepared(tx: Transaction, chainId: number, kind: string): PlatformIdQuery {
  return tx
    .selectFrom('indexer.contracts')
    .select('platform_id')
    .where('chain_id', '=', String(chainId))
    .where('kind', '=', kind)
    .where('prepared_at', 'is', null);
}

/** Deletes facts that were left where the platform deleted a contract's row and announced it again: history is read anew. */
async function deleteOrphans(tx: Transaction, chainId: number, table: FactTable): Promise<void> {
  const { orphans, foldColumns } = table;
  if (orphans === undefined) return;
  if ('kindColumn' in orphans) {
    await sql`
      delete from ${tableOf(table)} fact using indexer.contracts contract
      where contract.chain_id = ${chainId} and contract.prepared_at is null and fact.chain_id = contract.chain_id
        and fact.address = contract.address and fact.${sql.ref(orphans.kindColumn)} = contract.kind
    `.execute(tx);
    return;
  }
  const { rows } = await sql<{ address: Hex; retired_ids: string[] }>`
    select address, retired_ids from indexer.contracts
    where chain_id = ${chainId} and kind = ${table.kind} and prepared_at is null and retired_ids <> '{}'
  `.execute(tx);
  for (const { address, retired_ids } of rows) {
    // A row that the platform moved to another address has its facts there.
    await sql`
      delete from ${tableOf(table)}
      where ${sql.ref(orphans.idColumn)} = any(${retired_ids}::uuid[]) and ${isOfChain(table, chainId)}
        and ${sql.ref(foldColumns?.addressColumn ?? 'address')} = ${address}
    `.execute(tx);
  }
}
