import { sql } from 'kysely';
import type { ExpectedRows, RegisteredRow } from '../../facts/fact-table.ts';
import { isFactOf } from '../../facts/facts-sql.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { dividendEvents } from './dividend-events.ts';

const total = (contract: RegisteredRow, type: 'deposit' | 'distribution') => sql`
  (select coalesce(sum(total_amount), 0) from dividend_events
    where ${isFactOf(dividendEvents, contract)} and currency = ${ZERO_ADDRESS} and event_type = ${sql.lit(type)})`;

/** The total deposits and distributions of a dividend contract in the native coin, computed from its facts. */
export const expectedDividends: ExpectedRows = {
  keyColumns: 2,
  rows: (contract) => sql`
    select ${String(contract.chainId)}, ${contract.address}, ${total(contract, 'deposit')}, ${total(contract, 'distribution')}`,
};
