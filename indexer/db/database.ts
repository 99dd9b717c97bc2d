import { Kysely, type LogEvent, PostgresDialect } from 'kysely';
import pg from 'pg';
import { CONNECTION_LIFETIME_SECONDS, retireConnections } from './retire.ts';
import type { DB } from './schema.ts';
import type { Sessions } from './server.ts';
import { Slots } from './slots.ts';
import { connectionOptions } from './tls.ts';

const STATEMENT_TIMEOUT_MS = 120_000;
/** PostgreSQL closes a connection that is idle in a transaction for this long. This releases the locks of a frozen process. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000;
const BATCH_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;
/**
 * Limits how long a statement waits for a lock, for example on a row that the platform's backend has locked. When the limit is reached,
 * the statement fails and the caller retries. The limit also keeps a wait for a lock from delaying a shutdown.
 */
const LOCK_TIMEOUT_MS = 5_000;
/** How much longer than the statement timeout the client waits for an answer, in case the server never sends one. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The share of the pool's connections that transactions may hold. Single statements use the rest, so they do not wait for transactions. */
const TRANSACTIONS_SHARE = 3 / 4;

const MONITORING_CONNECTIONS_MAX = 2;

/** The connections for batches: two for each of three followed chains. More chains share these connections. */
const BATCH_CONNECTIONS_MAX = 6;

/**
 * The statement timeout does not run while PostgreSQL waits for data of a `COPY` or for the next statement of a batch. TCP keepalives
 * detect a client whose host disappeared during this wait. `terminateFrozenClients` detects a client whose process froze.
 */
const TCP_KEEPALIVES = '-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3';
/** Batched statements read a few rows each. Making a custom plan for each set of values would take longer than the statement itself. */
const GENERIC_PLANS = '-c plan_cache_mode=force_generic_plan';

/** Sets `transaction_timeout`, which exists since PostgreSQL 17. */
const SET_TRANSACTION_TIMEOUT = `
  select set_config('transaction_timeout', '${BATCH_TIMEOUT_MS}', false)
  where current_setting('server_version_num')::int >= 170000
`;

/** The connections to one database. */
export type Database = {
  readonly pool: pg.Pool;
  /** Limits how many connections of `pool` are held by transactions. */
  readonly transactions: Slots;
  /** Runs transactions of many small statements, which are sent together in one packet. */
  readonly batchPool: pg.Pool;
  /** Runs single statements outside a transaction. */
  readonly kysely: Kysely<DB>;
  /** Runs the statements of pages and metrics on separate connections, so that page readers and commits do not wait for each other. */
  readonly monitoring: Kysely<DB>;
  /** All pools, including that of `monitoring`. */
  readonly pools: readonly pg.Pool[];
  /** The server for connections that need a session. */
  readonly sessions: Sessions;
  /**
   * The statement that sets the timeouts at the beginning of each transaction, if a pooler lends connections for one transaction at a
   * time. Statements must not be prepared in that case. Undefined if each connection is a session.
   */
  readonly transactionSettings: string | undefined;
  /** Closes the connections once no statement runs on them. */
  close(): Promise<void>;
  /** Closes the connections at once. Running statements fail, and PostgreSQL rolls back their transactions. */
  abandon(): void;
};

/** The settings of the connections to a database. */
export type DatabaseOptions = {
  readonly url: string;
  /** Whether a pooler lends the connections for one transaction at a time. Default: false. */
  readonly pooled?: boolean;
  /** The server for connections that need a session. Default: `url`. */
  readonly sessions?: Sessions;
  readonly maxConnections?: number;
  readonly applicationName?: string;
  /** The timeout of a statement in milliseconds. 0 means no limit, for statements that may process the whole database. */
  readonly statementTimeoutMs?: number;
  /** Called when a connection breaks while it is idle. The pool replaces the connection by itself. */
  readonly onConnectionLost?: (error: Error) => void;
  /** Called after every statement outside transactions, with its duration in seconds. */
  readonly onStatement?: ((seconds: number) => void) | undefined;
};

/** Creates the connection pools. The first statement opens a connection. */
export function openDatabase({
  url,
  pooled = false,
  sessions = { url, lasting: !pooled },
  maxConnections = 8,
  applicationName = 'indexer',
  statementTimeoutMs = STATEMENT_TIMEOUT_MS,
  onStatement,
  onConnectionLost,
}: DatabaseOptions): Database {
  const timeouts = {
    statement_timeout: statementTimeoutMs,
    lock_timeout: statementTimeoutMs === 0 ? 0 : LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
  };
  const options = {
    ...connectionOptions(url),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + ANSWER_TIMEOUT_MS,
    keepAlive: true,
    maxLifetimeSeconds: CONNECTION_LIFETIME_SECONDS,
    ...(!pooled && { ...timeouts, options: TCP_KEEPALIVES }),
  };
  const onConnect = async (client: pg.ClientBase) => void (await client.query(SET_TRANSACTION_TIMEOUT));
  const batches = pooled ? {} : { options: `${TCP_KEEPALIVES} ${GENERIC_PLANS}`, onConnect };
  const pool = new pg.Pool({ ...options, max: maxConnections });
  const batchPool = new pg.Pool({ ...options, max: BATCH_CONNECTIONS_MAX, ...batches });
  const monitoringPool = new pg.Pool({ ...options, max: MONITORING_CONNECTIONS_MAX });
  const pools = [pool, batchPool, monitoringPool];
  for (const connections of pools) {
    connections.on('error', (error) => onConnectionLost?.(error));
    // A connection that breaks during a statement rejects that statement. Without this listener Node.js would also end the process.
    connections.on('connect', (client) => void client.on('error', () => undefined));
  }
  retireConnections(pools);
  const open = new Set<pg.PoolClient>();
  for (const connections of pools) {
    connections.on('connect', (client) => void open.add(client));
    connections.on('remove', (client) => void open.delete(client));
  }
  const onEvent = (event: LogEvent) => onStatement?.(event.queryDurationMillis / 1_000);
  const kysely = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    ...(onStatement !== undefined && { log: onEvent }),
  });
  let closing: Promise<unknown> | undefined;
  const close = async () => {
    // A pool opens no new connection after `end()` was called.
    closing ??= Promise.all(pools.map((connections) => connections.end()));
    await closing;
  };
  return {
    pool,
    transactions: new Slots(Math.ceil(maxConnections * TRANSACTIONS_SHARE)),
    batchPool,
    kysely,
    monitoring: new Kysely<DB>({ dialect: new PostgresDialect({ pool: monitoringPool }) }),
    pools,
    sessions,
    transactionSettings: pooled ? settingsOf(timeouts) : undefined,
    close,
    abandon: () => {
      close().catch(() => undefined);
      for (const client of open) socketOf(client).destroy();
    },
  };
}

/** Returns the socket of a connection. pg itself has no method that destroys the socket. */
function socketOf(client: pg.PoolClient): { destroy(): unknown } {
  return (client as unknown as { readonly connection: { readonly stream: { destroy(): unknown } } }).connection.stream;
}

/** Returns the statement that sets settings until the transaction ends. */
function settingsOf(settings: Readonly<Record<string, number>>): string {
  return `select ${Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', true)`)}`;
}
