import { sql } from 'kysely';
import type { ExpectedRows, RegisteredRow } from '../../facts/fact-table.ts';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { balancesOf } from '../shared/expected-balances.ts';
import { tokenTransfers } from './token-transfers.ts';

const balances = (contract: RegisteredRow) =>
  balancesOf(sql`
    select from_wallet as sender, to_wallet as receiver, value, position, block_timestamp, tx_hash
    from token_transfers where ${isFactOf(tokenTransfers, contract)}`);

/** The rows of `token_holders` that must be stored according to the facts of an artist token. */
export const expectedHolders: ExpectedRows = {
  keyColumns: 3,
  rows: (contract) => sql`
    select ${String(contract.chainId)}, ${contract.address}, wallet, balance, first_position, entered_at, entry_tx_hash
    from (${balances(contract)}) held`,
};

/** The supply and the number of holders of an artist token, computed from its facts. */
export const expectedToken: ExpectedRows = {
  keyColumns: 2,
  rows: (contract) => sql`
    select ${String(contract.chainId)}, ${contract.address},
      (select coalesce(sum(case when from_wallet = ${ZERO_ADDRESS} then value else 0 end
          - case when to_wallet = ${ZERO_ADDRESS} then value else 0 end), 0)
        from token_transfers where ${isFactOf(tokenTransfers, contract)}),
      (select count(*) from (${balances(contract)}) held where balance > 0)`,
};
