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
 * Prepares newly registered contracts before they are first followed. Resets their state to that of a contract without facts (decoded
 * logs), whatever the platform or its former indexer wrote into its rows. Filling history then restores every value. Also records up to
 * which block the former indexer left facts. They have no block hash, and are replaced when their blocks are read.
 *
 * @returns how many contracts were prepared
 */
export async function prepareContracts(database: Database, chainId: number): Promise<number> {
  const unpreparedContract = await database.kysely
    .selectFrom('indexer.contracts')
    .select('address')
    .where('chain_id', '=', String(chainId))
    .where('prepared_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  if (unpreparedContract === undefined) return 0;
  return longTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    await deleteRetired(tx, chainId);
    return resetUnprepared(tx, chainId);
  });
}

/** The `status_reason` of a contract that the database removed because the platform corrected its address (migration 0011). */
const RETIRED_REASON = 'the platform corrected its address';

/**
 * Deletes the rows of contracts whose address the platform has corrected, before the contract at the new address is followed. A
 * contract that an operator removed before it was ever followed keeps its rows, which are the platform's own.
 */
async function deleteRetired(tx: Transaction, chainId: number): Promise<void> {
  const rows = await tx
    .selectFrom('indexer.contracts')
    .select(['address', 'kind', 'platform_id'])
    .where('chain_id', '=', String(chainId))
    .where('prepared_at', 'is', null)
    .where((eb) => eb.or([eb('status_reason', '=', RETIRED_REASON), eb('platform_id', '=', eb.fn.any('retired_ids'))]))
    .orderBy('address')
    .orderBy('kind')
    .execute();
  for (const row of rows) {
    const contract = { address: row.address as Hex, kind: row.kind as ContractKind };
    for (const statement of deletions({ ...contract, chainId, platformId: row.platform_id }))
      await statement.execute(tx);
    await recordContractChange(tx, chainId, contract);
  }
}

/** Prepares new contracts, and returns how many. The transaction must hold the chain's exclusive lock. */
export async function resetUnprepared(tx: Transaction, chainId: number): Promise<number> {
  for (const { kind, reset } of stateTables) await runSteps(tx, reset?.(unprepared(tx, chainId, kind)) ?? []);
  for (const table of factTables) await deleteOrphans(tx, chainId, table);
  return markPrepared(tx, chainId, newestFormerBlock(factTables));
}

/** Returns a query for the platform ids of the contracts of a kind that are not prepared yet. */
function unprepared(tx: Transaction, chainId: number, kind: string): PlatformIdQuery {
  return tx
    .selectFrom('indexer.contracts')
    .select('platform_id')
    .where('chain_id', '=', String(chainId))
    .where('kind', '=', kind)
    .where('prepared_at', 'is', null);
}

/** Deletes the facts of contracts whose platform row was deleted and then inserted again. Their history is read again. */
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
  const rows = await tx
    .selectFrom('indexer.contracts')
    .select(['address', 'retired_ids'])
    .where('chain_id', '=', String(chainId))
    .where('kind', '=', table.kind)
    .where('prepared_at', 'is', null)
    .where('retired_ids', '<>', sql<string[]>`'{}'`)
    .execute();
  for (const { address, retired_ids } of rows) {
    // The id of a retired row may by now belong to a contract at another address. Keep the facts of that contract.
    await sql`
      delete from ${tableOf(table)}
      where ${sql.ref(orphans.idColumn)} = any(${retired_ids}::uuid[]) and ${isOfChain(table, chainId)}
        and ${sql.ref(foldColumns?.addressColumn ?? 'address')} = ${address}
    `.execute(tx);
  }
}
