import type { Transaction } from '../db/transaction.ts';
import type { Hex } from '../kernel/chain.ts';
import { contractRowId } from './contract-rows.ts';

/** The ids of the placeholder rows for an artist and a master that were not named. */
export type Placeholders = { readonly artistId: string; readonly masterId: string };

/**
 * Inserts a placeholder user, artist and master for one contract, unless they exist. Contracts cannot share placeholders, because of
 * unique keys in the platform's tables. The ids are derived from chain and address, so they are the same in every database.
 */
export async function insertPlaceholders(tx: Transaction, chainId: number, address: Hex): Promise<Placeholders> {
  const name = `${chainId}-${address}`;
  const id = (table: 'users' | 'artists' | 'masters') => contractRowId(table, chainId, address);
  await tx
    .insertInto('users')
    .values({ id: id('users'), email: `${name}@placeholder.invalid`, display_name: name, status: 'suspended' })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  await tx
    .insertInto('artists')
    .values({ id: id('artists'), user_id: id('users'), artist_name: name, slug: name, is_active: false })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  await tx
    .insertInto('masters')
    .values({ id: id('masters'), artist_id: id('artists'), title: name })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  return tx.selectNoFrom([id('artists').as('artistId'), id('masters').as('masterId')]).executeTakeFirstOrThrow();
}
