import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/**
 * Writes rows by `COPY … FROM STDIN`.
 *
 * `texts` hold rows in PostgreSQL's COPY text format, each with its newline. `table` and `columns` must be constants of the program,
 * because they are not escaped.
 */
export type Copy = (table: string, columns: readonly string[], texts: Iterable<Buffer>) => Promise<void>;

/** Returns a `Copy` that uses one connection. */
export function copyOver(client: pg.PoolClient): Copy {
  return async (table, columns, texts) => {
    const rows = client.query(copyFrom(`copy ${table} (${columns.join(', ')}) from stdin`));
    // `pipeline` destroys `rows` when the copy fails. Otherwise `rows` would keep writing to a connection that is back in the pool.
    await pipeline(Readable.from(texts), rows);
  };
}
