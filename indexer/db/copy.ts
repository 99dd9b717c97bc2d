import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
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
    // `pipeline` destroys `rows` where it fails: else what is still to be sent goes to a connection that it has let go of.
    await pipeline(Readable.from(texts), rows);
  };
}
