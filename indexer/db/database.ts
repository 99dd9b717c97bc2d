import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { DB } from './schema.ts';

/** A statement that runs longer is cancelled (milliseconds). */
const STATEMENT_TIMEOUT_MS = 120_000;
/** A frozen process lets go of what it holds in the middle of a transaction. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000;
const BATCH_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Whoever holds a row for longer (the platform, in a transaction of its own) is waited for anew; a stop is not kept waiting. */
const LOCK_TIMEOUT_MS = 5_000;
/** So much longer the client waits for a server that accepted a statement and never answers. */
const ANSWER_TIMEOUT_MS = 10_000;

/** Two for each chain that is followed; where there are more chains they take turns. */
const BATCH_CONNECTIONS_MAX = 6;

/**
 * Within a `COPY`, and between two statements of one packet, no timeout of statements runs: a client whose host went away in the
 * middle is to be noticed. For one that stands still see `endFrozenClients`.
 */
const NOTICE_THE_GONE = '-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3';
/** The same few rows each time: planning anew for each value takes longer than the statements themselves. */
const GENERIC_PLANS = '-c plan_cache_mode=force_generic_plan';

/** PostgreSQL 17 and later have it. */
const LIMIT_TRANSACTIONS = `
  select set_config('transaction_timeout', '${BATCH_TIMEOUT_MS}', false)
  where current_setting('server_version_num')::int >= 170000
`;

/** Connections to one database. */
export type Database = {
  readonly pool: pg.Pool;
  /** For transactions of many small statements that recur. */
  readonly batches: pg.Pool;
  /** For single statements outside a transaction. */
  readonly kysely: Kysely<DB>;
  close(): Promise<void>;
};

/** How to connect to a database. */
export type DatabaseOptions = {
  readonly url: string;
  readonly maxConnections?: number;
  readonly applicationName?: string;
  /** Milliseconds after which a statement is given up; 0 lets it run, for work that may be as large as the database. */
  readonly statementTimeoutMs?: number;
  /** Told about a connection that broke while idle; the pool replaces it by itself. */
  readonly onConnectionLost?: (error: Error) => void;
};

/** Opens a pool; connects at the first statement, not here. */
export function openDatabase({
  url,
  maxConnections = 8,
  applicationName = 'indexer',
  statementTimeoutMs = STATEMENT_TIMEOUT_MS,
  onConnectionLost,
}: DatabaseOptions): Database {
  const options = {
    connectionString: url,
    application_name: applicationName,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: statementTimeoutMs === 0 ? 0 : LOCK_TIMEOUT_MS,
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + ANSWER_TIMEOUT_MS,
    keepAlive: true,
    options: NOTICE_THE_GONE,
  };
  const pool = new pg.Pool({ ...options, max: maxConnections });
  const onConnect = async (client: pg.ClientBase) => void (await client.query(LIMIT_TRANSACTIONS));
  const batches = new pg.Pool({
    ...options,
    max: BATCH_CONNECTIONS_MAX,
    options: `${NOTICE_THE_GONE} ${GENERIC_PLANS}`,
    onConnect,
  });
  for (const each of [pool, batches]) {
    each.on('error', (error) => onConnectionLost?.(error));
    // One that breaks under a statement fails the statement; that nobody listens to the connection itself must not end the process.
    each.on('connect', (client) => void client.on('error', () => undefined));
  }
  const kysely = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
  return {
    pool,
    batches,
    kysely,
    close: async () => {
      await Promise.all([kysely.destroy(), batches.end()]);
    },
  };
}
