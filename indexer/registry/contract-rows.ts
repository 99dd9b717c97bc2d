import { type RawBuilder, sql } from 'kysely';
import type { RegisteredRow } from '../facts/fact-table.ts';
import { tableOf } from '../facts/facts-sql.ts';
import type { ContractKind } from '../kernel/chain.ts';
import { factTables, stateTables } from '../protocols/protocols.ts';

/** Returns the statements that delete a contract's facts and state. They need the chain's exclusive lock. */
export function deletions(contract: RegisteredRow): readonly RawBuilder<unknown>[] {
  const facts = factTables
    .filter(({ kind }) => kind === contract.kind || kind === null)
    .map((table) => sql`delete from ${tableOf(table)} where ${table.rowsOf(contract)}`);
  const state = stateTables
    .filter(({ kind }) => kind === contract.kind)
    .flatMap((table) => table.deleteRows?.(contract) ?? []);
  // Claims name tokens, and tokens name facts: what names a row is deleted before it.
  return [...facts, ...state];
}

/** Returns the name of the platform's table of a kind of contract. */
export function platformTableOf(kind: ContractKind): string {
  const table = stateTables.find((candidate) => candidate.kind === kind && candidate.isPlatformRow === true);
  if (table === undefined) throw new TypeError(`no protocol describes the platform's rows of ${kind}`);
  return table.name;
}
