import { hash } from 'node:crypto';
import { Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { BatchFailure, type BatchQuery, runBatch } from './batch.ts';
import { type Copy, copyOver } from './copy.ts';
import type { Database } from './database.ts';
import type { DB } from './schema.ts';
import { isTransactionConflict, SQLSTATE, sqlstateOf } from './sqlstate.ts';
import { type Step, stepError } from './step.ts';

/** A Kysely instance that runs its statements on the connection of an open transaction. */
export type Transaction = Kysely<DB>;

/** The maximum number of attempts at a transaction that conflicts with a concurrent one or whose connection is terminated. */
const CONFLICT_ATTEMPTS_MAX = 10;
const CONFLICT_BACKOFF: Backoff = { baseMs: 20, maxMs: 200 };
const LONG_TRANSACTION_TIMEOUT_MS = 24 * 3_600_000;

const transactions = new WeakMap<pg.PoolClient, Transaction>();

/**
 * Runs `work` in one transaction (READ COMMITTED) and commits it. If `work` throws, the transaction is rolled back.
 *
 * After a serialisation failure, a deadlock, or the termination of its connection before the commit, `work` runs again from its beginning.
 * So it must have no effect outside the database.
 */
export async function transaction<T>(
  database: Database,
  work: (tx: Transaction, copy: Copy) => Promise<T>,
): Promise<T> {
  return retryOnConflict(() => runOnce(database, {}, work));
}

/**
 * Runs `work` like `transaction`, but waits for locks without a limit and lets each statement take a day. It is meant for work whose
 * duration grows with the database, such as an unwind, which removes the rows of reorganised blocks.
 */
export async function longTransaction<T>(
  database: Database,
  work: (tx: Transaction, copy: Copy) => Promise<T>,
): Promise<T> {
  return retryOnConflict(() =>
    runOnce(database, { queryTimeoutMs: LONG_TRANSACTION_TIMEOUT_MS }, async (tx, copy) => {
      await sql`set local statement_timeout = ${sql.lit(LONG_TRANSACTION_TIMEOUT_MS)}`.execute(tx);
      await sql`set local lock_timeout = 0`.execute(tx);
      return work(tx, copy);
    }),
  );
}

/**
 * Runs `work` on one snapshot of the database, in a read-only transaction. Each statement may take a day. Dates and times that PostgreSQL
 * converts to text are in ISO format and UTC.
 */
export async function readSnapshot<T>(database: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const begin = 'begin isolation level repeatable read read only';
  return runOnce(database, { begin, queryTimeoutMs: LONG_TRANSACTION_TIMEOUT_MS }, async (tx) => {
    await sql`set local statement_timeout = ${sql.lit(LONG_TRANSACTION_TIMEOUT_MS)}`.execute(tx);
    await sql`set local timezone = 'UTC'`.execute(tx);
    await sql`set local datestyle = 'ISO, YMD'`.execute(tx);
    return work(tx);
  });
}

/**
 * Runs steps in one transaction that takes one network round trip, including its commit. Use it for many small statements, whose round
 * trips would take longer than their execution. It cannot run a step's `followUp`. If that is needed, the step's statement must call
 * `indexer.refuse()`, which raises an error.
 */
export async function batchTransaction(database: Database, steps: readonly Step[]): Promise<void> {
  const { kysely, transactionSettings } = database;
  const settings = transactionSettings === undefined ? [] : [{ statement: sql.raw(transactionSettings) }];
  const all = [BEGIN, ...settings, ...steps, COMMIT];
  const nameOf = transactionSettings === undefined ? statementName : () => '';
  const queries = all.map(({ statement }): BatchQuery => {
    const { sql, parameters } = statement.compile(kysely);
    return { name: nameOf(sql), sql, parameters };
  });
  await retryOnConflict(async () => {
    const client = await database.batchPool.connect();
    await rollBackAndRelease(client, async () => {
      await runBatch(client, queries).catch((error: unknown) => {
        throw error instanceof BatchFailure ? stepError(all[error.statementIndex] ?? COMMIT, error.cause) : error;
      });
    });
  });
}

const BEGIN: Step = { statement: sql`begin` };
const COMMIT: Step = { statement: sql`commit` };

/** PostgreSQL terminated the connection before the commit was sent, for example because `terminateFrozenClients` asked it to. */
class TerminatedTransaction extends Error {}

async function retryOnConflict<T>(attemptOnce: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptOnce();
    } catch (error) {
      const wasTerminated = error instanceof TerminatedTransaction;
      const canRepeat = wasTerminated || isTransactionConflict(error);
      if (!canRepeat || attempt === CONFLICT_ATTEMPTS_MAX) throw wasTerminated ? error.cause : error;
      await sleep(backoffMs(attempt, CONFLICT_BACKOFF, Math.random));
    }
  }
}

/** The statement that begins a transaction, and how long the client waits for the result of a statement (default: the pool's timeout). */
type TransactionOptions = { readonly begin?: string; readonly queryTimeoutMs?: number };

function runOnce<T>(
  database: Database,
  options: TransactionOptions,
  work: (tx: Transaction, copy: Copy) => Promise<T>,
): Promise<T> {
  return database.transactions.hold(() => runNow(database, options, work));
}

async function runNow<T>(
  database: Database,
  { begin = 'begin', queryTimeoutMs }: TransactionOptions,
  work: (tx: Transaction, copy: Copy) => Promise<T>,
): Promise<T> {
  const client = await database.pool.connect();
  let isCommitting = false;
  const attempt = rollBackAndRelease(client, async () => {
    const { transactionSettings } = database;
    const isPrepared = transactionSettings === undefined;
    await client.query(isPrepared ? begin : `${begin}; ${transactionSettings}`);
    const result = await work(transactionOver(client, queryTimeoutMs, isPrepared), copyOver(client));
    isCommitting = true;
    // A commit checks deferred foreign keys. This takes as long as the statements that wrote the rows, so the commit has the same timeout.
    await client.query({ text: 'commit', ...timeoutOf(queryTimeoutMs) });
    return result;
  });
  return attempt.catch((error: unknown) => {
    const isTerminated = !isCommitting && sqlstateOf(error) === SQLSTATE.adminShutdown;
    throw isTerminated ? new TerminatedTransaction('the connection was terminated', { cause: error }) : error;
  });
}

/** Runs a transaction on a connection, rolls it back if it fails, and returns the connection to its pool. */
async function rollBackAndRelease<T>(client: pg.PoolClient, work: () => Promise<T>): Promise<T> {
  let broken: Error | undefined;
  let lost: Error | undefined;
  // A connection that breaks while no statement runs is reported only through this event. The next statement does not say why it failed.
  const onError = (error: Error) => {
    lost ??= error;
    broken = error;
  };
  client.on('error', onError);
  try {
    return await work();
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw sqlstateOf(error) === undefined ? (lost ?? error) : error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

function transactionOver(client: pg.PoolClient, queryTimeoutMs: number | undefined, isPrepared: boolean): Transaction {
  const held = queryTimeoutMs === undefined ? transactions.get(client) : undefined;
  if (held !== undefined) return held;
  const pool = {
    connect: async () => clientOver(client, queryTimeoutMs, isPrepared),
    end: async () => undefined,
    options: {},
  };
  const tx = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
  if (queryTimeoutMs === undefined) transactions.set(client, tx);
  return tx;
}

/** Returns a client that can prepare each statement once per connection, because commits repeat the same statements with other values. */
function clientOver(client: pg.PoolClient, queryTimeoutMs: number | undefined, isPrepared: boolean) {
  return {
    query: (text: string, values: readonly unknown[]) =>
      client.query({
        text,
        values: [...values],
        ...(isPrepared && { name: statementName(text) }),
        ...timeoutOf(queryTimeoutMs),
      }),
    release: () => undefined,
  } as never;
}

function timeoutOf(queryTimeoutMs: number | undefined): { readonly query_timeout?: number } {
  return queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs };
}

function statementName(text: string): string {
  return hash('md5', text, 'hex');
}
