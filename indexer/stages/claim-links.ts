import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import { positionOf } from '../facts/fold.ts';
import type { Advance, Stage } from './stage.ts';

/**
 * Links each claim to the row of the token for which it was paid (`dividend_claims.master_nft_id`).
 *
 * A claim names only a token id. The token belongs to the master contract that the dividend contract serves. There is one such contract,
 * because a master has one contract on a chain. As of block N, a claim at or below N is linked if its token has a fact at or below N.
 */
export const claimLinks: Stage = { name: 'claim-links', advance, unwind };

async function advance(tx: Transaction, { chainId, from, to }: Advance): Promise<number> {
  const chain = String(chainId);
  const isNew = (alias: string) => sql`
    ${sql.ref(`${alias}.chain_id`)} = ${chain} and ${sql.ref(`${alias}.block_hash`)} is not null
    and ${sql.ref(`${alias}.block_number`)} between ${(from?.number ?? -1) + 1}::numeric and ${to.number}::numeric`;
  // New claims are found by dividend_claims_block_log_idx. Older claims of new tokens are found by nft_transfers_block_log_idx and
  // dividend_claims_unlinked_idx.
  const { numAffectedRows } = await sql`
    with serves as not materialized (${served(chain)}),
    candidate as (
      select claim.id as claim_id, token.id as token_id
      from dividend_claims claim
      join serves using (dividend_contract_id)
      join master_nfts token on token.chain_id = ${chain} and token.contract_address = serves.contract_address
        and token.token_id = claim.token_id
      where ${isNew('claim')} and claim.master_nft_id is null
      union
      select claim.id, moved.master_nft_id
      from (select distinct contract_address, token_id, master_nft_id from nft_transfers fact where ${isNew('fact')}) moved
      join serves using (contract_address)
      join dividend_claims claim using (dividend_contract_id, token_id)
      where claim.master_nft_id is null and claim.block_hash is not null and claim.block_number <= ${to.number}::numeric
    ),
    linked as (
      select claim_id, token_id from candidate
      where exists (
        select from nft_transfers
        where master_nft_id = candidate.token_id and position < ${positionOf(to.number + 1)} and block_hash is not null)
    )
    update dividend_claims claim set master_nft_id = linked.token_id
    from linked where claim.id = linked.claim_id
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

async function unwind(tx: Transaction, chainId: number, to: number): Promise<void> {
  const chain = String(chainId);
  await tx
    .updateTable('dividend_claims')
    .set({ master_nft_id: null })
    .where('chain_id', '=', chain)
    .where('block_number', '>', String(to))
    .where('block_hash', 'is not', null)
    .where('master_nft_id', 'is not', null)
    .execute();
  // Also unlink older claims whose token has no fact at or below the block.
  await sql`
    update dividend_claims set master_nft_id = null
    where block_hash is not null and master_nft_id in (
      select moved.master_nft_id
      from (
        select distinct master_nft_id from nft_transfers
        where chain_id = ${chain} and block_number > ${to}::numeric and block_hash is not null
      ) moved
      where not exists (
        select from nft_transfers earlier
        where earlier.master_nft_id = moved.master_nft_id and earlier.position < ${positionOf(to + 1)}
          and earlier.block_hash is not null))
  `.execute(tx);
}

/**
 * Returns a query for the master contract that each dividend contract of a chain serves. This is the contract in
 * `linked_master_contract`, or the contract of the same master if that column is null.
 */
function served(chain: string): RawBuilder<unknown> {
  return sql`
    select contract.id as dividend_contract_id, master.contract_address
    from dividend_contracts contract
    join master_contracts master on master.chain_id = contract.chain_id
      and master.contract_address = contract.linked_master_contract
    where contract.chain_id = ${chain}
    union all
    select contract.id, master.contract_address
    from dividend_contracts contract
    join master_contracts master on master.chain_id = contract.chain_id and master.master_id = contract.master_id
    where contract.chain_id = ${chain} and contract.linked_master_contract is null
  `;
}
