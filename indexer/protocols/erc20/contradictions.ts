import { sql } from 'kysely';
import { isInRange } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { balanceRule, type TokenMovements, transferredSupply } from '../shared/balance-rule.ts';
import type { Contradictions } from '../shared/sweep-rule.ts';
import { tokenTransfers } from './token-transfers.ts';

const transfers: TokenMovements = {
  reads: tokenTransfers,
  movements: (range) => sql`
    select contract_address as address, from_wallet as sender, to_wallet as receiver, value, position
    from token_transfers where ${isInRange(tokenTransfers, range, 'artist_token')}`,
  supplyChange: sql`
    case when sender = ${ZERO_ADDRESS} then value else 0 end - case when receiver = ${ZERO_ADDRESS} then value else 0 end`,
};

const balance = balanceRule(transfers);

/** The rules by which an artist token's facts are checked for contradictions. */
export const tokenContradictions: Contradictions = {
  rules: [balance],
  supply: transferredSupply(transfers, balance),
};
