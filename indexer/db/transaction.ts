import { hash } from 'node:crypto';
import { type CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import { IndexerError } from '../kernel/errors.ts';
import { sleep } from '../kernel/sleep.ts';
import { type Copy, copyOver } from './copy.ts';
import type { Database } from './database.ts';
import type { DB } from './schema.ts';
import { isTransactionConflict } from './sqlstate.ts';
import type { Step } from './step.ts';

/** Kysely over the one connection of an open transaction. */
export type Transaction = Kysely<DB>;

/** How often a transaction that lost against another is run again. */
const CONFLICT_ATTEMPTS_MAX = 10;
const CONFLICT_DELAY_MAX_MS = 200;
const PATIENCE_MS = 24 * 3_600_000;

const transactions = new WeakMap<pg.PoolClient, Transaction>();

/**
 * Runs `work` in one transaction (READ COMMITTED) and commits; whatever it throws rolls back.
 *
 * A serialisation failure or a deadlock runs the whole of `work` again, so it must have no effect outside the database.
 */
export async function transaction<T>(
  database: Database,
  work: (tx: Transaction, copy: Copy) => Promise<T>,
): Promise<T> {
  return retried(() => once(database, undefined, work));
}

/** What may take as long as the database is large: an unwind, a reset. It waits for its locks, and is given a day. */
export async function patientTransaction<T>(database: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return retried(() =>
    once(database, PATIENCE_MS, async (tx) => {
      await sql`set local statement_timeout = ${sql.lit(PATIENCE_MS)}`.execute(tx);
      await sql`set local lock_timeout = 0`.execute(tx);
      return work(tx);
    }),
  );
}

/**
 * Runs steps in one transaction, all sent before the first is answered: for many small statements, whose way to the server and
 * back would take longer than they do. Then, where every check holds, it commits.
 *
 * @throws {PipelineRefused} where a result calls for more steps: run them one behind the other instead.
 */
export async function pipelinedTransaction(database: Database, steps: readonly Step[]): Promise<void> {
  const queries = steps.map(({ statement }) => queryOf(statement.compile(database.kysely)));
  await retried(() => inTransaction(database.pipelined, (client) => runPipelined(client, steps, queries)));
}

/** The result of a step calls for more. */
export class PipelineRefused extends IndexerError {}

async function runPipelined(
  client: pg.PoolClient,
  steps: readonly Step[],
  queries: readonly pg.QueryConfig[],
): Promise<void> {
  const answers = await Promise.allSettled(queries.map(async (query) => client.query(query)));
  for (const [at, answer] of answers.entries()) {
    // What stands behind a statement that failed failed for that reason.
    if (answer.status === 'rejected') throw answer.reason;
    const { check, next } = steps[at] as Step;
    const result = { rows: answer.value.rows, affected: answer.value.rowCount ?? 0 };
    check?.(result);
    if (next !== undefined && next(result).length > 0) throw new PipelineRefused('a step calls for more');
  }
}

async function retried<T>(attemptOnce: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptOnce();
    } catch (error) {
      if (!isTransactionConflict(error) || attempt === CONFLICT_ATTEMPTS_MAX) throw error;
      await sleep(Math.random() * Math.min(CONFLICT_DELAY_MAX_MS, 10 * 2 ** attempt));
    }
  }
}

async function once<T>(
  database: Database,
  queryTimeoutMs: number | undefined,
  work: (tx: Transaction, copy: Copy) => Promise<T>,
): Promise<T> {
  return inTransaction(database.pool, async (client) =>
    work(transactionOver(client, queryTimeoutMs), copyOver(client)),
  );
}

async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that dies while no statement waits for it is reported only here.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

function transactionOver(client: pg.PoolClient, queryTimeoutMs: number | undefined): Transaction {
  const held = queryTimeoutMs === undefined ? transactions.get(client) : undefined;
  if (held !== undefined) return held;
  const pool = { connect: async () => preparing(client, queryTimeoutMs), end: async () => undefined, options: {} };
  const tx = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
  if (queryTimeoutMs === undefined) transactions.set(client, tx);
  return tx;
}

/** Every statement of a commit recurs with other values, so each is prepared once per connection, under a name of its own. */
function queryOf({ sql: text, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>): pg.QueryConfig {
  return { name: hash('md5', text, 'hex'), text, values: [...parameters] };
}

function preparing(client: pg.PoolClient, queryTimeoutMs: number | undefined) {
  return {
    query: (text: string, values: readonly unknown[]) =>
      client.query({
        ...queryOf({ sql: text, parameters: values }),
        ...(queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs }),
      }),
    release: () => undefined,
  } as never;
}
