import type pg from 'pg';

/** Returns the definitions of the valid indexes of the schemas `public` and `indexer`, sorted. */
export async function indexesOf(db: pg.Pool): Promise<readonly string[]> {
  const { rows } = await db.query<{ definition: string }>(`
    select pg_get_indexdef(indexrelid) as definition from pg_index join pg_class on pg_class.oid = indexrelid
    where relnamespace in ('public'::regnamespace, 'indexer'::regnamespace) and indisvalid order by 1`);
  return rows.map(({ definition }) => definition);
}
