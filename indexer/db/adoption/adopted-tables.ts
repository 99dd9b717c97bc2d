import type { Kysely } from 'kysely';
import type { Lock } from './adoption-step.ts';
import { type ExistingTable, readExistingSchema } from './existing-tables.ts';
import { ADOPTABLE_TABLES } from './generated/tables.ts';
import { rewriteReasons } from './plan.ts';

/** A table of the platform that the transaction of the migrations locks until its end. */
export type AdoptedTable = Pick<ExistingTable, 'rows' | 'bytes'> & {
  readonly table: string;
  readonly lock: Lock;
  /** The changes that make PostgreSQL write all rows of the table to a new file. Empty if no change does. */
  readonly rewrites: readonly string[];
};

/** The tables whose columns the migrations correct. The other tables only get triggers, and foreign keys that reference them. */
const CORRECTED_TABLES: ReadonlySet<string> = new Set([
  ...['master_ipos', 'master_nfts', 'master_contracts', 'nft_transfers', 'nft_ownership_snapshots', 'artist_tokens'],
  ...['token_holders', 'liquidity_pools', 'pool_events', 'pool_positions', 'dividend_contracts', 'dividend_events'],
  ...['dividend_claims', 'wallet_dividend_balances'],
]);

/** Returns the tables of the platform that exist already, and that the migrations therefore adopt instead of creating them. */
export async function adoptedTables<DB>(db: Kysely<DB>): Promise<readonly AdoptedTable[]> {
  const { tables } = await readExistingSchema(db);
  return ADOPTABLE_TABLES.flatMap((table) => {
    const held = tables.get(table.name);
    if (held === undefined) return [];
    const lock = CORRECTED_TABLES.has(table.name) ? 'ACCESS EXCLUSIVE' : 'SHARE ROW EXCLUSIVE';
    return [{ table: table.name, lock, rows: held.rows, bytes: held.bytes, rewrites: rewriteReasons(table, held) }];
  });
}
