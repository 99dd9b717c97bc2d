import { finished } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/**
 * Writes rows by `COPY … FROM STDIN`.
 *
 * `texts` hold rows in PostgreSQL's COPY text format, each with its newline; `table` and `columns` are names of our own, never
 * input.
 */
export type Copy = (table: string, columns: readonly string[], texts: readonly Buffer[]) => Promise<void>;

/** A `Copy` over one connection. */
export function copyOver(client: pg.PoolClient): Copy {
  return async (table, columns, texts) => {
    const rows = client.query(copyFrom(`copy ${table} (${columns.join(', ')}) from stdin`));
    // All of it is in memory already: the socket takes it at its own pace.
    for (const text of texts) rows.write(text);
    rows.end();
    await finished(rows);
  };
}
