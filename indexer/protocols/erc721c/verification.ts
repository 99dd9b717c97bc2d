import { sql } from 'kysely';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { balanceQuestion, numberQuestion, ownerQuestion } from '../shared/questions.ts';
import type { Invariant, Verification } from '../shared/verification.ts';
import { nftTransfers } from './nft-transfers.ts';

/** An SQL expression for the change of the number of existing tokens by one transfer. */
const existingChange = sql`
  (case when from_wallet = ${ZERO_ADDRESS} then 1 else 0 end - case when to_wallet = ${ZERO_ADDRESS} then 1 else 0 end)`;

/** The rule that the sender of each transfer is the receiver of the token's previous transfer, or the zero address if there is none. */
const unbrokenOwners: Invariant = {
  name: 'the chain of owners is unbroken',
  table: 'nft_transfers',
  violations: (contract) => sql`
    select token_id::text as key, from_wallet as stored, owner as expected,
      since >> 32 as from_block, position >> 32 as to_block
    from (
      select token_id, from_wallet, position, coalesce(lag(to_wallet) over token, ${ZERO_ADDRESS}) as owner,
        lag(position) over token as since
      from nft_transfers where ${isFactOf(nftTransfers, contract)}
      window token as (partition by token_id order by position)
    ) fact
    where from_wallet <> owner`,
};

const existingOwners: Invariant = {
  name: 'the owned tokens are those minted and not burnt',
  table: 'master_nfts',
  violations: (contract) => sql`
    select '' as key, owned.tokens::text as stored, existing.tokens::text as expected, null as from_block, null as to_block
    from (
      select count(*) as tokens from master_nfts
      where master_contract_id = ${contract.platformId} and last_position is not null and current_owner_wallet <> ${ZERO_ADDRESS}
    ) owned, (
      select coalesce(sum(${existingChange}), 0) as tokens from nft_transfers where ${isFactOf(nftTransfers, contract)}
    ) existing
    where owned.tokens <> existing.tokens`,
};

const mintedRows: Invariant = {
  name: 'the minted supply is the number of tokens that were minted',
  table: 'master_contracts',
  violations: ({ platformId }) => sql`
    select '' as key, minted_supply::text as stored, minted.tokens::text as expected, null as from_block, null as to_block
    from master_contracts contract, lateral (
      select count(*) as tokens from master_nfts where master_contract_id = contract.id and mint_count > 0
    ) minted
    where contract.id = ${platformId} and minted_supply <> minted.tokens`,
};

const tokensHaveMaster: Invariant = {
  name: 'every token belongs to its master',
  table: 'master_nfts',
  violations: ({ chainId, address, platformId }) => sql`
    select token_id::text as key, token.master_contract_id::text as stored, contract.id::text as expected,
      null as from_block, null as to_block
    from master_nfts token left join master_contracts contract on contract.id = ${platformId}
    where token.chain_id = ${String(chainId)} and token.contract_address = ${address}
      and token.master_contract_id is distinct from contract.id`,
};

/** How `indexer verify` checks a master. */
export const masterVerification: Verification = {
  questions: [
    ownerQuestion(
      // `distinct on` names `key` and not `token_id`, so that PostgreSQL applies a condition on `key` before it sorts the facts.
      (contract) => sql`
        select distinct on (key) key, to_wallet as value
        from (
          select token_id::text collate "C" as key, to_wallet, position
          from nft_transfers where ${isFactOf(nftTransfers, contract, contract.block)}
        ) fact
        order by key, position desc`,
    ),
    balanceQuestion(
      (contract) => sql`
        select from_wallet as sender, to_wallet as receiver, 1 as value from nft_transfers
        where ${isFactOf(nftTransfers, contract, contract.block)}`,
    ),
    numberQuestion(
      'totalSupply()',
      (contract) => sql`
        select '' as key, coalesce(sum(${existingChange}), 0)::text as value
        from nft_transfers where ${isFactOf(nftTransfers, contract, contract.block)}`,
      { isOptional: true },
    ),
  ],
  invariants: [unbrokenOwners, existingOwners, mintedRows, tokensHaveMaster],
};
