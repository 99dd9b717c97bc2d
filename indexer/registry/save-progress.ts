import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind } from '../kernel/chain.ts';
import { stateTables } from '../protocols/protocols.ts';
import { platformTableOf } from './contract-rows.ts';

/** The maximum number of rows that one statement updates. It is small, so that a commit that needs one of the rows waits only briefly. */
const ROWS_PER_STATEMENT_MAX = 500;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Copies `last_indexed_block` and `last_indexed_at` of the view `indexing_progress` to the platform's rows of a chain's contracts. Writes
 * only rows that differ. Skips rows that a commit has locked; the next call writes them.
 */
export async function saveProgress(db: Kysely<DB>, chainId: number, signal: AbortSignal): Promise<void> {
  const kinds = new Set(stateTables.filter(({ isPlatformRow }) => isPlatformRow === true).map(({ kind }) => kind));
  for (const kind of kinds) {
    let after: string | undefined = FIRST_ID;
    while (after !== undefined && !signal.aborted) {
      const { rows }: { rows: { id: string }[] } = await update(kind, chainId, after).execute(db);
      const ids = rows.map(({ id }) => id).sort();
      after = ids.length === ROWS_PER_STATEMENT_MAX ? ids.at(-1) : undefined;
    }
  }
}

/**
 * Returns a statement that updates the next rows in the order of their ids. Because of the order, a pass ends even if rows that it has
 * passed change meanwhile.
 */
function update(kind: ContractKind, chainId: number, after: string): RawBuilder<{ id: string }> {
  const table = sql.table(platformTableOf(kind));
  const address = sql.ref(kind === 'pool' ? 'pool_address' : 'contract_address');
  return sql`
    with changed as (
      select held.id, progress.last_indexed_block, progress.last_indexed_at
      from indexing_progress progress
      join ${table} held on held.chain_id = progress.chain_id and held.${address} = progress.contract_address
      where progress.chain_id = ${String(chainId)} and progress.kind = ${kind} and held.id > ${after}::uuid
        and (held.last_indexed_block, held.last_indexed_at)
          is distinct from (progress.last_indexed_block::numeric, progress.last_indexed_at)
      order by held.id
      limit ${ROWS_PER_STATEMENT_MAX}
      for no key update of held skip locked
    )
    update ${table} held set last_indexed_block = changed.last_indexed_block, last_indexed_at = changed.last_indexed_at
    from changed where held.id = changed.id
    returning held.id
  `;
}
