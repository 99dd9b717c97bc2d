import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { transaction } from '../db/transaction.ts';
import { linkRevenue } from '../protocols/dividend/revenue-links.ts';

/**
 * Links deposits to the platform's rows in `revenue_events` that the platform wrote or changed after the deposit was read. Never writes
 * to `revenue_events`. It is safe to run this at any time and concurrently with anything.
 */
export async function settleRevenueLinks(database: Database): Promise<void> {
  // PostgreSQL evaluates this condition with the index dividend_events_tx_log_idx.
  const scope = sql<boolean>`
    (event.dividend_contract_id, event.tx_hash) in (
      select deposited_to_contract_id, lower(deposit_tx_hash) from revenue_events
      where deposit_tx_hash is not null and deposited_to_contract_id is not null
      union
      select dividend_contract_id, tx_hash from dividend_events
      where revenue_event_id is not null and revenue_link_derived)`;
  await transaction(database, (tx) => linkRevenue(scope).execute(tx));
}
