import { typedStatement } from '../../db/step.ts';
import type { StateTable } from '../../facts/fact-table.ts';
import { expectedBalances } from './expected-balances.ts';
import { expectedDividends } from './expected-state.ts';

/** The platform's rows of dividend contracts, with the total deposits and distributions in the native coin. */
export const dividendContracts: StateTable = {
  schema: 'public',
  name: 'dividend_contracts',
  kind: 'dividend',
  isPlatformRow: true,
  lockOrder: 'id',
  statistics: [],
  readersIndexes: [],
  digest: {
    rows: 'dividend_contracts',
    columns: [
      'chain_id',
      'contract_address',
      'coalesce(total_revenue_deposited, 0)',
      'coalesce(total_dividends_distributed, 0)',
    ],
  },
  expected: expectedDividends,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db
          .updateTable('dividend_contracts')
          .set({ total_revenue_deposited: 0, total_dividends_distributed: 0 })
          .where('id', 'in', contracts),
      ),
    },
  ],
};

/** What each wallet earned and claimed, by dividend contract and currency. The stage `dividends` writes these rows. */
export const walletDividendBalances: StateTable = {
  schema: 'public',
  name: 'wallet_dividend_balances',
  kind: 'dividend',
  statistics: ['chain_id', 'changed_block', 'wallet_address', 'dividend_contract_id', 'currency'],
  readersIndexes: [],
  digest: {
    rows: `(
      select balance.*, contract.contract_address
      from wallet_dividend_balances balance join dividend_contracts contract on contract.id = balance.dividend_contract_id
    ) balance`,
    columns: [
      'chain_id',
      'contract_address',
      'wallet_address',
      'currency',
      'total_earned',
      'total_claimed',
      'claimable_amount',
      'tokens_held',
      'last_claimed_at',
      'last_claim_tx_hash',
    ],
  },
  expected: expectedBalances,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db.deleteFrom('wallet_dividend_balances').where('dividend_contract_id', 'in', contracts),
      ),
    },
  ],
  deleteRows: ({ platformId }) => [
    typedStatement((db) => db.deleteFrom('wallet_dividend_balances').where('dividend_contract_id', '=', platformId)),
  ],
};
