import { createPostgresBackend, runMigrations } from 'bullmq';
import pg from 'pg';
import { CONNECTION_LIFETIME_SECONDS, retireConnections } from '../db/retire.ts';
import { probeServer } from '../db/server.ts';
import { connectionOptions } from '../db/tls.ts';

const SCHEMA = 'bullmq';
/** The maximum number of connections to the queue, for all chains of the process together. No chain keeps one between statements. */
const CONNECTIONS_MAX = 6;
/** Jobs that are lost in a crash are planned again, so their commits need not wait for the disk. */
const SETTINGS = { search_path: SCHEMA, synchronous_commit: 'off' };

/** The connections of a queue in PostgreSQL. */
export type QueuePool = { readonly connection: object; readonly end: () => Promise<void> };

/** Creates BullMQ's backend for PostgreSQL. It opens no connection that listens for jobs, because this program polls for jobs. */
export const postgresBackend: typeof createPostgresBackend = (name, options) => createPostgresBackend(name, options);

/** Shares the connections to one PostgreSQL between the queues of all chains, so that more chains do not need more connections. */
export class SharedQueuePool {
  #pool: Promise<QueuePool> | undefined;
  #users = 0;

  /**
   * Returns the shared pool. Opens it with `open` if no queue uses it yet. When every user has called the returned `end`, the pool is
   * closed. If opening fails, the next call of `use` tries again.
   */
  async use(open: () => Promise<QueuePool>): Promise<QueuePool> {
    this.#pool ??= open();
    const pool = this.#pool;
    this.#users += 1;
    const end = async () => {
      this.#users -= 1;
      if (this.#users > 0) return;
      this.#pool = undefined;
      await (await pool).end();
    };
    try {
      return { connection: (await pool).connection, end };
    } catch (error) {
      await end().catch(() => undefined);
      throw error;
    }
  }
}

/**
 * Connects to the queue's PostgreSQL and creates the schema of the queue. Behind a pooler each statement runs in a transaction of its
 * own, which sets the search path that BullMQ expects.
 */
export async function openQueuePool(
  { url: queueUrl, variable }: { readonly url: string; readonly variable: string },
  commandTimeoutMs: number,
  onError: (error: Error) => void,
): Promise<QueuePool> {
  const { url, pooled } = await probeServer(queueUrl, variable);
  const pool = new pg.Pool({
    ...connectionOptions(url),
    max: CONNECTIONS_MAX,
    application_name: 'indexer-queue',
    connectionTimeoutMillis: commandTimeoutMs / 2,
    query_timeout: commandTimeoutMs,
    keepAlive: true,
    maxLifetimeSeconds: CONNECTION_LIFETIME_SECONDS,
    ...(!pooled && {
      options: Object.entries(SETTINGS)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    }),
  });
  pool.on('error', onError);
  // A connection that breaks during a statement rejects that statement. Without this listener Node.js would also end the process.
  pool.on('connect', (client) => void client.on('error', () => undefined));
  retireConnections([pool]);
  const client = await pool.connect();
  try {
    await runMigrations(client, SCHEMA);
  } finally {
    client.release(true);
  }
  return { connection: pooled ? inTransactions(pool) : inSessions(pool), end: () => pool.end() };
}

/** Returns what BullMQ uses of a pool besides `query` and `connect`. `end` and `on` do nothing, because all queues share the pool. */
function commonOf({ options }: pg.Pool) {
  return { options, end: async () => undefined, on: () => undefined, removeAllListeners: () => undefined };
}

/** Returns the members of a pool that BullMQ uses, for connections without a pooler. */
function inSessions(pool: pg.Pool) {
  return { ...commonOf(pool), query: pool.query.bind(pool), connect: pool.connect.bind(pool) };
}

/** Returns the members of a pool that BullMQ uses, for connections behind a pooler: each statement runs in its own transaction. */
function inTransactions(pool: pg.Pool) {
  const query = async (text: string, values?: unknown[]) => {
    const client = await pool.connect();
    try {
      await client.query(
        `begin; ${Object.entries(SETTINGS)
          .map(([name, value]) => `set local ${name} = ${value}`)
          .join('; ')}`,
      );
      const result = await client.query(text, values);
      await client.query('commit');
      client.release();
      return result;
    } catch (error) {
      // Closing the connection rolls back.
      client.release(true);
      throw error;
    }
  };
  return { ...commonOf(pool), query, connect: async () => ({ query, release: () => undefined }) };
}
