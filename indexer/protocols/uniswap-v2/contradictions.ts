import { sql } from 'kysely';
import { isInRange } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { balanceRule, type TokenMovements, transferredSupply } from '../shared/balance-rule.ts';
import { contractEvents } from '../shared/contract-events.ts';
import type { Contradictions } from '../shared/sweep-rule.ts';
import { reservesRule } from './reserves-rule.ts';

const liquidity: TokenMovements = {
  reads: contractEvents,
  movements: (range) => sql`
    select address, arguments ->> 'from' as sender, arguments ->> 'to' as receiver, (arguments ->> 'value')::numeric as value, position
    from indexer.contract_events where ${isInRange(contractEvents, range, 'pool', ['Transfer'])}`,
  // The pair mints its minimum liquidity from the zero address to the zero address. Only transfers from the pair itself to the zero
  // address reduce `totalSupply`.
  supplyChange: sql`
    case when sender = ${ZERO_ADDRESS} then value when receiver = ${ZERO_ADDRESS} and sender = address then -value else 0 end`,
};

const balance = balanceRule(liquidity);

/** The rules by which a pair's facts are checked for contradictions. */
export const pairContradictions: Contradictions = {
  rules: [balance, reservesRule],
  supply: transferredSupply(liquidity, balance),
};
