import { type RawBuilder, sql } from 'kysely';
import { positionOf } from '../facts/fold.ts';

/** The blocks of a chain above `from` and at or below `to`. */
export type BlockSpan = { readonly chainId: number; readonly from: number; readonly to: number };

/**
 * Returns a query for `(dividend_contract_id, contract_address)`: each dividend contract of a chain, and each master contract that it
 * serves. A dividend contract serves a master if it pays the owners of the master's tokens.
 */
export function servedMasters(chainId: number): RawBuilder<unknown> {
  return sql`
    select link.dividend_contract_id, master.contract_address
    from indexer.dividend_masters link
    join dividend_contracts dividend on dividend.id = link.dividend_contract_id
    join master_contracts master on master.id = link.master_contract_id and master.chain_id = dividend.chain_id
    where dividend.chain_id = ${String(chainId)} and link.serves
  `;
}

/** Returns the condition that some dividend contract serves the master to which a row (`chain_id`, `contract_address`) belongs. */
export function isServed(row: string): RawBuilder<boolean> {
  return sql`exists (
    select from master_contracts master
    join indexer.dividend_masters link on link.master_contract_id = master.id and link.serves
    where master.chain_id = ${sql.ref(`${row}.chain_id`)} and master.contract_address = ${sql.ref(`${row}.contract_address`)})`;
}

/** Returns the condition that a fact is in a span of blocks. PostgreSQL can use the unique index of the fact's table for it. */
export function isInSpan(fact: string, { chainId, from, to }: BlockSpan): RawBuilder<boolean> {
  return sql`${sql.ref(`${fact}.chain_id`)} = ${String(chainId)} and ${sql.ref(`${fact}.block_hash`)} is not null
    and ${sql.ref(`${fact}.block_number`)} between ${from + 1}::numeric and ${to}::numeric`;
}

/**
 * Returns a query for the owner of a token before a position: the receiver (as the column `owner`) of the token's latest transfer before
 * this position. If there is no such transfer, the query returns no row. Use the query in a `lateral` join. It uses the index
 * nft_transfers_master_nft_id_idx.
 */
export function ownerBefore(token: RawBuilder<unknown>, position: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    select to_wallet as owner from nft_transfers
    where master_nft_id = ${token} and position < ${position} and block_hash is not null
    order by position desc limit 1
  `;
}

/** Returns the first position after a block. */
export function endOf(block: number): RawBuilder<bigint> {
  return positionOf(block + 1);
}
