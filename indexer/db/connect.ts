import pg from 'pg';
import { explainConnectionFailure } from '../kernel/connection-failure.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import type { Database } from './database.ts';
import { SQLSTATE, sqlstateOf } from './sqlstate.ts';

/** The messages of pg for a server that accepts a connection and says nothing, and for one that closes it. They have no code. */
const SILENT = /^timeout exceeded when trying to connect$|due to connection timeout$/;
const CLOSED = /^Connection terminated unexpectedly$|ECONNRESET/;
const NO_PASSWORD = /client password must be a string/;

/**
 * Opens the first connection to a database, which its pool keeps for the first statement.
 *
 * @param variable the setting that holds the URL, for the message if it fails
 */
export async function connect({ pool }: Database, url: string, variable: string): Promise<void> {
  try {
    (await pool.connect()).release();
  } catch (error) {
    throw explainConnectionError(error, url, variable);
  }
}

/**
 * Returns the error to report when a connection to PostgreSQL could not be opened: its message names the variable and what to do.
 * It holds no secret.
 */
export function explainConnectionError(error: unknown, url: string, variable: string): Error {
  if (error instanceof IndexerError) return error;
  return new IndexerError(`${variable}: ${reasonOf(error, url)}`);
}

function reasonOf(error: unknown, url: string): string {
  const message = messageOf(error);
  // The client completes a URL like libpq, but does not connect yet.
  const { user, database, host, port } = new pg.Client({ connectionString: url });
  switch (sqlstateOf(error)) {
    case SQLSTATE.invalidPassword:
      return `PostgreSQL refuses user ${user} with this password; correct it, or create the user: createuser --pwprompt ${user}`;
    case SQLSTATE.invalidAuthorization:
      return `${message}; create the user (createuser ${user}), or let it in (alter role … login, pg_hba.conf)`;
    case SQLSTATE.invalidCatalogName:
      return `there is no database ${database}; create it with: createdb ${database}`;
  }
  if (NO_PASSWORD.test(message)) return `PostgreSQL asks for the password of user ${user}, and the URL has none`;
  if (SILENT.test(message))
    return `${host}:${port} does not answer; check host and port of the URL, and firewalls in between`;
  if (CLOSED.test(message)) return `${host}:${port} closes the connection; is it PostgreSQL that listens there?`;
  return explainConnectionFailure(error, 'PostgreSQL') ?? message;
}
