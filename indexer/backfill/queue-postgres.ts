import { createPostgresBackend, runMigrations } from 'bullmq';
import pg from 'pg';
import { CONNECTION_LIFETIME_SECONDS, retireConnections } from '../db/retire.ts';
import { probeServer } from '../db/server.ts';
import { connectionOptions } from '../db/tls.ts';

const SCHEMA = 'bullmq';
const CONNECTIONS_MAX = 4;
/** Jobs that are lost in a crash are planned again, so their commits need not wait for the disk. */
const SETTINGS = { search_path: SCHEMA, synchronous_commit: 'off' };

/** The connections of a queue in PostgreSQL. */
export type QueuePool = { readonly connection: object; readonly end: () => Promise<void> };

/** Creates a backend without the connection that listens for jobs, because jobs are polled. */
export const postgresBackend: typeof createPostgresBackend = (name, options) => createPostgresBackend(name, options);

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
  retireConnections([pool]);
  const client = await pool.connect();
  try {
    await runMigrations(client, SCHEMA);
  } finally {
    client.release(true);
  }
  return { connection: pooled ? inTransactions(pool) : pool, end: () => pool.end() };
}

/** Returns the part of a pool that BullMQ uses. */
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
  return {
    query,
    connect: async () => ({ query, release: () => undefined }),
    end: async () => undefined,
    on: pool.on.bind(pool),
    removeAllListeners: pool.removeAllListeners.bind(pool),
    options: pool.options,
  };
}
