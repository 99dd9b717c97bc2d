import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import { ZERO_ADDRESS } from '../kernel/chain.ts';
import { isInSpan, ownerBefore, servedMasters } from './served-masters.ts';
import type { Advance, Stage } from './stage.ts';

/**
 * Links each claim to the row of the token for which it was paid (`dividend_claims.master_nft_id`).
 *
 * A claim names at most a token id. The token must belong to a master contract that the dividend contract serves (whose token owners it
 * pays), and must have been minted before the claim. If several masters have a token with this id, the claim is linked to the one that
 * exists (is not burnt) at the claim's position. If several of these tokens exist there, the claim is linked to the one that the claimant
 * owns at this position. If this leaves no token or more than one, the claim is not linked. So a link depends only on facts before the
 * claim, and never changes later.
 */
export const claimLinks: Stage = { name: 'claim-links', advance, unwind };

async function advance(tx: Transaction, { chainId, from, to }: Advance): Promise<number> {
  const span = { chainId, from: from?.number ?? -1, to: to.number };
  // This statement uses the indexes dividend_claims_block_log_idx and master_nfts_chain_contract_token_idx.
  const { numAffectedRows } = await sql`
    with serves as not materialized (${servedMasters(chainId)}),
    candidate as (
      select claim.id as claim_id, token.id as token_id, owner = claim.wallet_address as is_owned, owner <> ${ZERO_ADDRESS} as lives
      from dividend_claims claim
      join serves using (dividend_contract_id)
      join master_nfts token on token.chain_id = claim.chain_id and token.contract_address = serves.contract_address
        and token.token_id = claim.token_id
      cross join lateral (${ownerBefore(sql`token.id`, sql`claim.position`)}) before
      where ${isInSpan('claim', span)} and claim.master_nft_id is null
    ),
    counted as (
      select claim_id, array_agg(token_id) as minted, array_agg(token_id) filter (where lives) as living,
        array_agg(token_id) filter (where lives and is_owned) as owned
      from candidate group by claim_id
    ),
    chosen as (
      select claim_id, case
        when cardinality(living) > 1 then case when cardinality(owned) = 1 then owned[1] end
        when cardinality(living) = 1 then living[1]
        when cardinality(minted) = 1 then minted[1] end as token_id
      from counted
    )
    update dividend_claims claim set master_nft_id = chosen.token_id
    from chosen where claim.id = chosen.claim_id and chosen.token_id is not null
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

async function unwind(tx: Transaction, chainId: number, to: number): Promise<void> {
  await tx
    .updateTable('dividend_claims')
    .set({ master_nft_id: null })
    .where('chain_id', '=', String(chainId))
    .where('block_number', '>', String(to))
    .where('block_hash', 'is not', null)
    .where('master_nft_id', 'is not', null)
    .execute();
}
