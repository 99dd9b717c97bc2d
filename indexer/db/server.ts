import pg from 'pg';
import { ConfigError } from '../kernel/errors.ts';
import { explainConnectionError } from './connect.ts';
import { sqlstateOf } from './sqlstate.ts';
import { connectionOptions, encryptionAlternatives } from './tls.ts';

const ANSWER_TIMEOUT_MS = 5_000;
/** Startup settings of a probing connection. No server has these values by default, so reading them shows whether they were kept. */
const PROBED_SETTINGS = { statement_timeout: 54_321, options: '-c plan_cache_mode=force_generic_plan' };
/** The SQLSTATEs with which poolers refuse an unknown startup parameter: that of PgBouncer and Neon, and that of Amazon's RDS Proxy. */
const STARTUP_REFUSED: readonly unknown[] = ['08P01', '0A000'];

/** A PostgreSQL server as the program found it. */
export type Server = {
  /** The URL of the server. An `sslmode` of `prefer` or `allow` is replaced by the mode with which the connection succeeded. */
  readonly url: string;
  /** Whether a pooler in front of the server lends its connections for one transaction at a time. */
  readonly pooled: boolean;
};

/**
 * The server for connections that need a session, that is, for settings and locks that outlast a transaction, and for `LISTEN`. If
 * `lasting` is false, a pooler in front of the server keeps no sessions.
 */
export type Sessions = { readonly url: string; readonly lasting: boolean };

/**
 * Connects to a server and finds out whether a pooler is in front of it. A pooler in transaction mode refuses or ignores the settings
 * that a connection begins with.
 *
 * @param variable the environment variable or the place in the configuration file that holds the URL, for error messages
 * @throws {IndexerError} if the server cannot be used. The message begins with `variable`.
 */
export async function probeServer(databaseUrl: string, variable: string): Promise<Server> {
  let last: unknown;
  for (const url of encryptionAlternatives(databaseUrl)) {
    try {
      return { url, pooled: await isPooled(url) };
    } catch (error) {
      last = error;
    }
  }
  throw explainConnectionError(last, databaseUrl, variable);
}

/**
 * Returns the server for connections that need a session: the one at `directUrl` if it is given, else `server`.
 *
 * @throws {ConfigError} if a pooler is in front of the server at `directUrl`.
 */
export async function findSessions(server: Server, directUrl: string | undefined): Promise<Sessions> {
  if (directUrl === undefined) return { url: server.url, lasting: !server.pooled };
  const { url, pooled } = await probeServer(directUrl, 'DATABASE_DIRECT_URL');
  if (!pooled) return { url, lasting: true };
  throw new ConfigError(
    'DATABASE_DIRECT_URL: a pooler answers there, which keeps no sessions; set it to the host of the database itself, or leave it out',
  );
}

/** Creates a connection outside the pools, for work that listens or holds a lock. The caller connects and ends it. */
export function sessionClient({ url }: Sessions, applicationName: string, answerTimeoutMs: number): pg.Client {
  return new pg.Client({
    ...connectionOptions(url),
    application_name: applicationName,
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: answerTimeoutMs,
    keepAlive: true,
  });
}

async function isPooled(url: string): Promise<boolean> {
  try {
    return !(await keepsSettings(url));
  } catch (error) {
    if (!STARTUP_REFUSED.includes(sqlstateOf(error))) throw error;
    // Errors that the settings did not cause can have the same codes. Then this connection, which has no settings, fails too and throws.
    await ask(url, {}, 'select true as kept');
    return true;
  }
}

async function keepsSettings(url: string): Promise<boolean> {
  const { statement_timeout: timeout } = PROBED_SETTINGS;
  return ask(
    url,
    PROBED_SETTINGS,
    `select current_setting('statement_timeout') = '${timeout}ms'
       and current_setting('plan_cache_mode') = 'force_generic_plan' as kept`,
  );
}

async function ask(url: string, settings: pg.ClientConfig, question: string): Promise<boolean> {
  const client = new pg.Client({
    ...connectionOptions(url),
    application_name: 'indexer',
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    ...settings,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ kept: boolean }>(question);
    return rows[0]?.kept === true;
  } finally {
    await client.end().catch(() => undefined);
  }
}
