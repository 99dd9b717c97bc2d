import { sql } from 'kysely';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { balanceQuestion, numberQuestion } from '../shared/questions.ts';
import type { Verification } from '../shared/verification.ts';
import { tokenTransfers } from './token-transfers.ts';

/** How `indexer verify` checks an artist token. */
export const tokenVerification: Verification = {
  questions: [
    balanceQuestion(
      (contract) => sql`
        select from_wallet as sender, to_wallet as receiver, value from token_transfers
        where ${isFactOf(tokenTransfers, contract, contract.block)}`,
    ),
    numberQuestion(
      'totalSupply()',
      (contract) => sql`
        select '' as key, coalesce(sum(case when from_wallet = ${ZERO_ADDRESS} then value else 0 end
          - case when to_wallet = ${ZERO_ADDRESS} then value else 0 end), 0)::text as value
        from token_transfers where ${isFactOf(tokenTransfers, contract, contract.block)}`,
    ),
  ],
  invariants: [
    {
      name: 'the supply is the sum of the balances',
      table: 'artist_tokens',
      violations: ({ platformId }) => sql`
        select '' as key, total_supply::text as stored, held.balance::text as expected, null as from_block, null as to_block
        from artist_tokens token, lateral (
          select coalesce(sum(balance), 0) as balance from token_holders where artist_token_id = token.id
        ) held
        where token.id = ${platformId} and total_supply <> held.balance`,
    },
    {
      name: 'no balance is negative',
      table: 'token_holders',
      violations: ({ platformId }) => sql`
        select wallet_address as key, balance::text as stored, '0' as expected, null as from_block, null as to_block
        from token_holders where artist_token_id = ${platformId} and balance < 0`,
    },
  ],
};
