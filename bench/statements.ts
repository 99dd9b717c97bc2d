import type pg from 'pg';

/** The calls and the execution time of one statement, from `pg_stat_statements`. */
export type Statement = { readonly text: string; readonly calls: number; readonly totalMs: number };

const STATEMENTS_SHOWN = 25;

/** Returns the statements of this database that took the most time so far. */
export async function statementsOf(client: pg.Client): Promise<Statement[]> {
  const { rows } = await client.query<{ query: string; calls: string; total: number }>(
    `select query, sum(calls) as calls, sum(total_exec_time) as total from pg_stat_statements
     where dbid = (select oid from pg_database where datname = current_database())
     group by query order by total desc limit ${STATEMENTS_SHOWN}`,
  );
  return rows.map(({ query, calls, total }) => ({
    text: query.replaceAll(/\s+/g, ' ').trim(),
    calls: Number(calls),
    totalMs: total,
  }));
}
