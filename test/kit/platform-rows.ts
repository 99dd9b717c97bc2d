import { catalogueRows } from './catalogue.ts';
import type { Queryable } from './queryable.ts';

/** An address in the mixed case of EIP-55. */
export const CHECKSUM_ADDRESS = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';

type Values = Readonly<Record<string, unknown>>;

/** The ids of the artist and the master that contract rows refer to. */
export type Artist = { readonly artistId: string; readonly masterId: string };

/** Returns the platform's tables, each after the tables that its foreign keys refer to. */
export function tablesByReference(): string[] {
  const tables = new Set(catalogueRows('columns').map(({ table = '' }) => table));
  const references = Map.groupBy(catalogueRows('foreign-keys'), ({ table = '' }) => table);
  const ordered: string[] = [];
  const visit = (table: string): void => {
    if (!tables.delete(table)) return;
    for (const { references: target = '' } of references.get(table) ?? []) visit(tableOf(target));
    ordered.push(table);
  };
  for (const table of [...tables]) visit(table);
  return ordered;
}

/**
 * Inserts one row into every table of the catalogue and returns the ids by table. Every column has a value; addresses and hashes
 * are in mixed case.
 */
export async function insertRowEverywhere(db: Queryable): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const table of tablesByReference()) {
    const references = catalogueRows('foreign-keys').filter((row) => row.table === table);
    const values: Record<string, unknown> = {};
    for (const { column = '', type = '' } of catalogueRows('columns').filter((row) => row.table === table)) {
      const target = references.find((row) => row.column === column)?.references;
      if (target !== undefined) values[column] = ids.get(tableOf(target));
      else if (column !== 'id') values[column] = sampleValue(column, type);
    }
    ids.set(table, await insertRow(db, table, values));
  }
  return ids;
}

/** Inserts a row and returns its id. */
export async function insertRow(db: Queryable, table: string, values: Values): Promise<string> {
  const columns = Object.keys(values).map((name) => `"${name}"`);
  const parameters = columns.map((_, index) => `$${index + 1}`);
  const sql = `insert into ${table} (${columns.join(', ')}) values (${parameters.join(', ')}) returning id`;
  const { rows } = await db.query(sql, Object.values(values));
  return String(rows[0]?.id);
}

/** Inserts a user who is an artist, and a master. Returns the ids that contracts refer to. */
export async function insertArtist(db: Queryable, name = 'artist'): Promise<Artist> {
  const userId = await insertRow(db, 'users', { email: `${name}@example.com`, display_name: name });
  const artistId = await insertRow(db, 'artists', { user_id: userId, artist_name: name, slug: name });
  const masterId = await insertRow(db, 'masters', { artist_id: artistId, title: name });
  return { artistId, masterId };
}

function sampleValue(column: string, type: string): unknown {
  if (column === 'chain_id') return '1';
  if (/(address|wallet|contract|recipient|sender)$/.test(column) && type.endsWith('(255)')) return CHECKSUM_ADDRESS;
  if (column.endsWith('tx_hash')) return `0x${'Ab'.repeat(32)}`;
  if (type === 'uuid') return '00000000-0000-8000-8000-000000000001';
  if (type === 'jsonb') return JSON.stringify({ of: column });
  if (type === 'boolean') return true;
  if (type === 'inet') return '127.0.0.1';
  if (type === 'integer' || type.startsWith('numeric')) return 7;
  if (type.startsWith('timestamp')) return '2026-01-02T03:04:05.678Z';
  const labels = catalogueRows('enums').find((row) => row.enum === type)?.values;
  if (labels !== undefined) return labels.split(', ')[0];
  const length = Number(/\((\d+)\)/.exec(type)?.[1] ?? 40);
  return column.slice(0, length);
}

function tableOf(reference: string): string {
  return reference.split('(')[0] ?? '';
}
