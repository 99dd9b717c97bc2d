import type pg from 'pg';
import { catalogueRows } from './catalogue.ts';

/** An address of an EVM chain, in the mixed case of EIP-55. */
export const CHECKSUM_ADDRESS = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';

type Values = Readonly<Record<string, unknown>>;

/** The platform's tables, each after those that its foreign keys refer to. */
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
 * Inserts one row into every table of the catalogue, with a value in every column, addresses and hashes in mixed case, and
 * returns their ids by table.
 */
export async function insertRowEverywhere(client: pg.Client): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const table of tablesByReference()) {
    const references = catalogueRows('foreign-keys').filter((row) => row.table === table);
    const values: Record<string, unknown> = {};
    for (const { column = '', type = '' } of catalogueRows('columns').filter((row) => row.table === table)) {
      const target = references.find((row) => row.column === column)?.references;
      if (target !== undefined) values[column] = ids.get(tableOf(target));
      else if (column !== 'id') values[column] = sampleValue(column, type);
    }
    ids.set(table, await insertRow(client, table, values));
  }
  return ids;
}

/** Inserts one row of those values and returns its id. */
export async function insertRow(client: pg.Client, table: string, values: Values): Promise<string> {
  const columns = Object.keys(values).map((name) => `"${name}"`);
  const places = columns.map((_, index) => `$${index + 1}`);
  const { rows } = await client.query<{ id: string }>(
    `insert into ${table} (${columns.join(', ')}) values (${places.join(', ')}) returning id`,
    Object.values(values),
  );
  return rows[0]?.id ?? '';
}

/** Inserts a user, an artist and a master, and returns the ids that contracts refer to. */
export async function insertMaster(client: pg.Client, name: string): Promise<{ artistId: string; masterId: string }> {
  const userId = await insertRow(client, 'users', { email: `${name}@example.com`, display_name: name });
  const artistId = await insertRow(client, 'artists', { user_id: userId, artist_name: name, slug: name });
  const masterId = await insertRow(client, 'masters', { artist_id: artistId, title: name });
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
