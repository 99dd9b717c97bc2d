import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import { linkRevenue } from '../protocols/dividend/revenue-links.ts';
import { isInSpan } from './served-masters.ts';
import type { Advance, Stage } from './stage.ts';

/**
 * Links deposits to the platform's rows of revenue (`revenue_events`). If the platform inserts or changes a row after the stage has
 * processed the deposit, `settleRevenueLinks` (`indexer/registry/revenue-links.ts`) links the deposit.
 */
export const revenueLinks: Stage = { name: 'revenue-links', advance, unwind };

async function advance(tx: Transaction, { chainId, from, to }: Advance): Promise<number> {
  const span = { chainId, from: from?.number ?? -1, to: to.number };
  const { numAffectedRows } = await linkRevenue(isInSpan('event', span)).execute(tx);
  return Number(numAffectedRows ?? 0);
}

async function unwind(tx: Transaction, chainId: number, to: number): Promise<void> {
  await sql`
    update dividend_events event set revenue_event_id = null, revenue_link_derived = false
    where event.chain_id = ${String(chainId)} and event.block_number > ${to}::numeric and event.block_hash is not null
      and event.revenue_link_derived
  `.execute(tx);
}
