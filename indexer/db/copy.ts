import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/**
 * Writes rows by `COPY … FROM STDIN`.
 *
 * `lines` are rows in PostgreSQL's COPY text format without their newline; `table` and `columns` are names of our own, never input.
 */
export type Copy = (table: string, columns: readonly string[], lines: readonly string[]) => Promise<void>;

/** Bytes handed to the socket at a time. */
const CHUNK_LENGTH = 256 * 1024;

/** A `Copy` over one connection. */
export function copyOver(client: pg.PoolClient): Copy {
  return async (table, columns, lines) => {
    if (lines.length === 0) return;
    await pipeline(
      Readable.from(chunks(lines)),
      client.query(copyFrom(`copy ${table} (${columns.join(', ')}) from stdin`)),
    );
  };
}

function* chunks(lines: readonly string[]): Generator<string> {
  let chunk = '';
  for (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length >= CHUNK_LENGTH) {
      yield chunk;
      chunk = '';
    }
  }
  if (chunk !== '') yield chunk;
}
