import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { Account, Cost, MonthlyCost } from '../rpc/monthly-budget.ts';

/** The number of past months whose rows are kept. */
const MONTHS_KEPT = 13;

/**
 * Adds the calls and compute units that a process has spent to the total of all processes in the current month, by the database's clock.
 * `spending` may contain an account several times.
 *
 * @returns the new total of each account
 */
export async function addSpending(
  db: Kysely<DB>,
  spending: readonly (Account & Cost)[],
): Promise<readonly (Account & MonthlyCost)[]> {
  // The rows are ordered, so that processes that update the same rows do not deadlock.
  const { rows } = await sql<{ month: string; host: string; key_hash: string; calls: string; compute_units: string }>`
    with present as (select date_trunc('month', now() at time zone 'UTC')::date as month),
    forgotten as (
      delete from indexer.endpoint_spending old using present
      where old.month < present.month - make_interval(months => ${MONTHS_KEPT})
    )
    insert into indexer.endpoint_spending as held (month, host, key_hash, calls, compute_units)
    select month, host, key_hash, sum(calls), sum(compute_units)
    from present, unnest(${spending.map(({ host }) => host)}::text[], ${spending.map(({ keyHash }) => keyHash)}::text[],
      ${spending.map(({ calls }) => calls)}::bigint[], ${spending.map(({ computeUnits }) => computeUnits)}::bigint[]
    ) as spent (host, key_hash, calls, compute_units)
    group by month, host, key_hash order by host, key_hash
    on conflict (month, host, key_hash) do update
      set calls = held.calls + excluded.calls, compute_units = held.compute_units + excluded.compute_units
    returning month::text, host, key_hash, calls, compute_units
  `.execute(db);
  return rows.map(({ month, host, key_hash, calls, compute_units }) => ({
    ...{ month, host, keyHash: key_hash },
    ...{ calls: Number(calls), computeUnits: Number(compute_units) },
  }));
}
