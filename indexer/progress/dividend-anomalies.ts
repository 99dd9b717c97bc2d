import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';

/**
 * Counts the rows of the view `indexer.dividend_anomalies` by chain. Leaves out those about single tokens: they are slow to find, and most
 * of them also appear as an anomaly of a wallet.
 */
export async function countDividendAnomalies(db: Kysely<DB>): Promise<ReadonlyMap<number, number>> {
  const { rows } = await sql<{ chain_id: string; count: string }>`
    select chain_id, count(*) from indexer.dividend_anomalies
    where kind <> 'token was paid more than it earned' group by chain_id
  `.execute(db);
  return new Map(rows.map(({ chain_id, count }) => [Number(chain_id), Number(count)]));
}
