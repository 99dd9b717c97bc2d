import { hash } from 'node:crypto';
import { type CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { BatchFailure, type BatchQuery, runBatch } from './batch.ts';
import { type Copy, copyOver } from './copy.ts';
import type { Database } from './database.ts';
import type { DB } from './schema.ts';
import { isTransactionConflict } from './sqlstate.ts';
import { refusalOf, type Step } from './step.ts';

/** Kysely over the one connection of an open transaction. */
export type Transaction = Kysely<DB>;

/** How often a transaction that lost against another is run again. */
const CONFLICT_ATTEMPTS_MAX = 10;
const CONFLICT_BACKOFF: Backoff = { baseMs: 20, maxMs: 200 };
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
 * Runs steps in one transaction that goes to the server and back once, its commit included: for many small statements, whose way
 * would take longer than they do. Steps whose rows call for more must refuse instead.
 */
export async function batchTransaction(database: Database, steps: readonly Step[]): Promise<void> {
  const all = [BEGIN, ...steps, COMMIT];
  const queries = all.map(({ statement }) => queryOf(statement.compile(database.kysely)));
  await retried(async () => {
    const client = await database.batches.connect();
    await released(client, async () => {
      await runBatch(client, queries).catch((error: unknown) => {
        throw error instanceof BatchFailure ? refusalOf(all[error.at] ?? COMMIT, error.cause) : error;
      });
    });
  });
}

const BEGIN: Step = { statement: sql`begin` };
const COMMIT: Step = { statement: sql`commit` };

async function retried<T>(attemptOnce: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptOnce();
    } catch (error) {
      if (!isTransactionConflict(error) || attempt === CONFLICT_ATTEMPTS_MAX) throw error;
      await sleep(backoffMs(attempt, CONFLICT_BACKOFF, Math.random));
    }
  }
}

async function once<T>(
  database: Database,
  queryTimeoutMs: number | undefined,
  work: (tx: Transaction, copy: Copy) => Promise<T>,
): Promise<T> {
  const client = await database.pool.connect();
  return released(client, async () => {
    await client.query('begin');
    const result = await work(transactionOver(client, queryTimeoutMs), copyOver(client));
    await client.query('commit');
    return result;
  });
}

/** Runs a transaction on a connection and gives the connection back; what fails is rolled back. */
async function released<T>(client: pg.PoolClient, work: () => Promise<T>): Promise<T> {
  let broken: Error | undefined;
  // A connection that dies while no statement waits for it is reported only here.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  try {
    return await work();
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
function preparing(client: pg.PoolClient, queryTimeoutMs: number | undefined) {
  return {
    query: (text: string, values: readonly unknown[]) =>
      client.query({
        name: nameOf(text),
        text,
        values: [...values],
        ...(queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs }),
      }),
    release: () => undefined,
  } as never;
}

function queryOf({ sql, parameters }: CompiledQuery): BatchQuery {
  return { name: nameOf(sql), sql, parameters };
}

function nameOf(text: string): string {
  return hash('md5', text, 'hex');
}
