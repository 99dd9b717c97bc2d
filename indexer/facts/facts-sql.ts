import { type RawBuilder, sql } from 'kysely';
import type { FactTable, RegisteredRow } from './fact-table.ts';

/** Returns a table's qualified name as SQL. */
export function tableOf({ schema, name }: Pick<FactTable, 'schema' | 'name'>): RawBuilder<unknown> {
  return sql`${sql.table(`${schema}.${name}`)}`;
}

/** Returns the SQL condition that a row is a fact of a chain. Rows that a former indexer left have no block hash and are no facts. */
export function isOfChain({ chainIdType }: FactTable, chainId: number): RawBuilder<boolean> {
  const chain = chainIdType === 'text' ? sql`${String(chainId)}` : sql`${chainId}::bigint`;
  return sql`chain_id = ${chain} and block_hash is not null`;
}

/** Returns the condition that a row is a fact of a contract. If `toBlock` is given, the fact must be at or below this block. */
export function isFactOf(table: FactTable, contract: RegisteredRow, toBlock?: number): RawBuilder<boolean> {
  const isBelow = toBlock === undefined ? sql`true` : sql`block_number <= ${toBlock}`;
  return sql`${table.rowsOf(contract)} and block_hash is not null and ${isBelow}`;
}
