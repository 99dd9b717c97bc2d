import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { Hex } from '../kernel/chain.ts';

/** The rows that stand in for people nobody named. */
export type Placeholders = { readonly artistId: string; readonly masterId: string };

/**
 * Inserts a contract's own user, artist and master, where they are not there yet: the catalogue's unique keys forbid that
 * contracts share them. Their ids are derived from chain and address, so every database makes the same ones.
 */
export async function insertPlaceholders(tx: Transaction, chainId: number, address: Hex): Promise<Placeholders> {
  const name = `${chainId}-${address}`;
  const id = (table: string) => sql`indexer.derived_id(${`${table}:${chainId}:${address}`})`;
  await sql`
    insert into users (id, email, display_name, status)
    values (${id('users')}, ${`${name}@placeholder.invalid`}, ${name}, 'suspended')
    on conflict (id) do nothing
  `.execute(tx);
  await sql`
    insert into artists (id, user_id, artist_name, slug, is_active)
    values (${id('artists')}, ${id('users')}, ${name}, ${name}, false)
    on conflict (id) do nothing
  `.execute(tx);
  await sql`
    insert into masters (id, artist_id, title) values (${id('masters')}, ${id('artists')}, ${name})
    on conflict (id) do nothing
  `.execute(tx);
  const { rows } = await sql<Placeholders>`
    select ${id('artists')} as "artistId", ${id('masters')} as "masterId"
  `.execute(tx);
  return rows[0] as Placeholders;
}
