import { sql } from 'kysely';
import type { StateTable } from '../../facts/fact-table.ts';

/** The platform's row of a dividend contract: what it took in and gave out in the native coin. */
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
  reset: (contracts) => [
    {
      statement: sql`
    update dividend_contracts set total_revenue_deposited = 0, total_dividends_distributed = 0 where id in (${contracts})`,
    },
  ],
  deleteRows: ({ platformId }) => [
    sql`delete from wallet_dividend_balances where dividend_contract_id = ${platformId}`,
  ],
};
