import pg from 'pg';
import { explainConnectionFailure } from '../kernel/connection-failure.ts';
import { ConfigError, IndexerError, messageOf } from '../kernel/errors.ts';
import { SQLSTATE, sqlstateOf } from './sqlstate.ts';
import { connectionOptions, isCertificateError } from './tls.ts';

/** The messages of pg and its pool if a server does not answer, and if it closes the connection. These errors have no SQLSTATE. */
const SILENT = /^timeout exceeded when trying to connect$|^timeout expired$|due to connection timeout$/;
const CLOSED = /^Connection terminated unexpectedly$|ECONNRESET/;
const NO_PASSWORD = /client password must be a string/;

/**
 * Returns the error to report when a connection to PostgreSQL could not be opened. Its message begins with `variable` and says how to
 * correct the cause if the cause is known. An `IndexerError` that is no `ConfigError` is returned unchanged. The message holds no secret.
 */
export function explainConnectionError(error: unknown, url: string, variable: string): Error {
  if (error instanceof ConfigError) return new ConfigError(`${variable}: ${error.message}`);
  if (error instanceof IndexerError) return error;
  return new IndexerError(`${variable}: ${reasonOf(error, url)}`);
}

function reasonOf(error: unknown, url: string): string {
  const message = messageOf(error);
  // The client fills in what the URL leaves out, like libpq. It does not connect yet.
  const { user, database, host, port } = new pg.Client(connectionOptions(url));
  const at = `-h ${host} -p ${port}`;
  switch (sqlstateOf(error)) {
    case SQLSTATE.invalidPassword:
      return `PostgreSQL refuses user ${user} with this password; correct it, or if there is no such user, create it with: createuser ${at} --pwprompt ${user}`;
    case SQLSTATE.invalidAuthorization:
      return `${message}; create the user (createuser ${at} ${user}), or let it in (alter role … login, pg_hba.conf)`;
    case SQLSTATE.invalidCatalogName:
      return `there is no database ${database}; create it with: createdb ${at} ${database}`;
  }
  if (isCertificateError(error)) {
    return (
      `the server's certificate was not accepted (${message}); ` +
      'sslrootcert names the file of the certificate authority, sslmode=require accepts any certificate'
    );
  }
  if (message === 'The server does not support SSL connections')
    return 'the server offers no encryption, which sslmode in the URL asks for; turn it on there (ssl = on), or set sslmode=disable';
  if (NO_PASSWORD.test(message)) return `PostgreSQL asks for the password of user ${user}, and the URL has none`;
  if (SILENT.test(message))
    return `${host}:${port} does not answer; check host and port of the URL, and firewalls in between`;
  if (CLOSED.test(message)) return `${host}:${port} closes the connection; is it PostgreSQL that listens there?`;
  return explainConnectionFailure(error, 'PostgreSQL') ?? message;
}
