import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';

/** Something that the facts of a dividend contract have and should not have. It is stored as the chain says. */
export type DividendAnomaly = {
  readonly chainId: number;
  /** What is wrong, in words. */
  readonly kind: string;
  readonly dividendContractId: string;
  readonly currency: string;
  /** A wallet, a token (contract and id), or a log (transaction and log index). */
  readonly subject: string;
  /** What is claimable or unclaimed (negative), or the amount of the claim or distribution. */
  readonly amount: string;
};

/** Returns the anomalies of a chain's dividends, ordered by kind and subject, at most `limit`. */
export async function dividendAnomalies(
  db: Kysely<DB>,
  chainId: number,
  limit: number,
): Promise<readonly DividendAnomaly[]> {
  const { rows } = await sql<Omit<DividendAnomaly, 'chainId'>>`
    select kind, dividend_contract_id as "dividendContractId", currency, subject, amount
    from indexer.dividend_anomalies where chain_id = ${String(chainId)} order by kind, subject, dividend_contract_id, currency limit ${limit}
  `.execute(db);
  return rows.map((row) => ({ chainId, ...row }));
}

/** Counts the anomalies by chain. Leaves out those of single tokens, which are slow to find and mostly show in a wallet too. */
export async function countDividendAnomalies(db: Kysely<DB>): Promise<ReadonlyMap<number, number>> {
  const { rows } = await sql<{ chain_id: string; count: string }>`
    select chain_id, count(*) from indexer.dividend_anomalies
    where kind <> 'token was paid more than it earned' group by chain_id
  `.execute(db);
  return new Map(rows.map(({ chain_id, count }) => [Number(chain_id), Number(count)]));
}
