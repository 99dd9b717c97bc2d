import { type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { RegisteredRow } from '../facts/fact-table.ts';
import { tableOf } from '../facts/facts-sql.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { factTablesOf, stateTables } from '../protocols/protocols.ts';

/** Returns the statements that delete a contract's facts and state. The caller must hold the chain's exclusive lock. */
export function deletions(contract: RegisteredRow): readonly RawBuilder<unknown>[] {
  const facts = factTablesOf(contract.kind).map(
    (table) => sql`delete from ${tableOf(table)} where ${table.rowsOf(contract)}`,
  );
  const state = stateTables
    .filter(({ kind }) => kind === contract.kind)
    .flatMap((table) => table.deleteRows?.(contract) ?? []);
  // Facts first, because they reference rows of state by foreign keys.
  return [...facts, ...state];
}

/**
 * Returns an SQL expression for the id of a row that this program inserts into a table of the platform. The id is derived from the table
 * and the contract.
 */
export function contractRowId(table: keyof DB, chainId: number, address: Hex): RawBuilder<string> {
  return sql`indexer.derived_id(${`${table}:${chainId}:${address}`})`;
}

/** Returns the name of the platform's table for a kind of contract. */
export function platformTableOf(kind: ContractKind): string {
  const table = stateTables.find((candidate) => candidate.kind === kind && candidate.isPlatformRow === true);
  if (table === undefined) throw new TypeError(`no protocol describes the platform's rows of ${kind}`);
  return table.name;
}
