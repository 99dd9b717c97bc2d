import { sql } from 'kysely';
import type { Config } from '../config/resolve.ts';
import { type Database, openDatabase } from '../db/database.ts';
import { assertSchemaCurrent, migrationStatus } from '../db/migrate.ts';
import { probeServer, type Server } from '../db/server.ts';
import { messageOf } from '../kernel/errors.ts';
import { describedTables } from '../protocols/protocols.ts';
import { Examination, type Finding, failed, type Outcome, ok, warning } from './finding.ts';

const STATEMENT_TIMEOUT_MS = 10_000;
const VERSION_MIN = 15;
/** The newest major version of PostgreSQL with which the program is tested. */
const VERSION_TESTED = 18;
const CLOCK_DIFFERENCE_MAX_MS = 10_000;
/** The platform's tables in which contracts are announced. The program reads them and writes columns of their rows. */
const REGISTRY_TABLES = ['master_contracts', 'dividend_contracts', 'artist_tokens', 'liquidity_pools'];

/** Checks the database of a configuration. Changes nothing. */
export async function examineDatabase(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const { databaseUrl, variables } = config;
  const examination = new Examination('database', signal);
  if (databaseUrl === '') {
    const advice = 'set DATABASE_URL to the URL of the database, as postgres://…';
    await examination.check('connection', 'failed', async () => failed('no database is configured', advice));
    return examination.findings;
  }
  let server: Server | undefined;
  await examination.check('connection', 'failed', async () => {
    server = await probeServer(databaseUrl, variables.databaseUrl);
    return ok(`${variables.databaseUrl} leads to a database`);
  });
  if (server === undefined) return examination.findings;
  const { pooled } = server;
  const database = openDatabase({ ...server, maxConnections: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  try {
    await examination.check('version', 'failed', () => checkVersion(database));
    await examination.check('writable', 'failed', () => checkWritable(database));
    await examination.check('clock', 'warning', () => checkClock(database));
    await examination.check('pooler', 'failed', () => checkPooler(database, config, pooled));
    await examination.check('schema', 'failed', () => checkSchema(database));
    await examination.check('privileges', 'failed', () => checkPrivileges(database));
  } finally {
    await database.close();
  }
  return examination.findings;
}

async function checkVersion({ kysely }: Database): Promise<Outcome> {
  const { rows } = await sql<{ version: string }>`select current_setting('server_version') as version`.execute(kysely);
  const version = rows[0]?.version ?? '';
  const major = Number.parseInt(version, 10);
  if (major < VERSION_MIN)
    return failed(`PostgreSQL ${version} is too old`, `upgrade to PostgreSQL ${VERSION_MIN} or newer`);
  if (major > VERSION_TESTED) return warning(`PostgreSQL ${version} is newer than the program was tested with`);
  return ok(`PostgreSQL ${version}`);
}

async function checkWritable({ kysely }: Database): Promise<Outcome> {
  const { rows } = await sql<{ standby: boolean; readOnly: boolean }>`
    select pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') = 'on' as "readOnly"
  `.execute(kysely);
  if (rows[0]?.standby) return failed('the server is a standby', 'set the URL to the primary server');
  if (rows[0]?.readOnly)
    return failed('transactions are read-only', 'turn default_transaction_read_only off for this user and database');
  return ok('transactions may write');
}

async function checkClock({ kysely }: Database): Promise<Outcome> {
  const before = Date.now();
  const { rows } = await sql<{ ms: string }>`
    select floor(extract(epoch from clock_timestamp()) * 1000)::text as ms
  `.execute(kysely);
  return judgeClock(Number(rows[0]?.ms) - (before + Date.now()) / 2);
}

/** Judges the difference between two clocks: how many milliseconds the clock of the database is ahead of this machine's. */
export function judgeClock(aheadMs: number): Outcome {
  const seconds = Math.round(Math.abs(aheadMs) / 100) / 10;
  if (Math.abs(aheadMs) <= CLOCK_DIFFERENCE_MAX_MS) return ok(`differs from this machine's by ${seconds} s`);
  const direction = aheadMs > 0 ? 'ahead of' : 'behind';
  return warning(`is ${seconds} s ${direction} this machine's`, 'synchronise both clocks (NTP)');
}

/** Returns the identity of a database: the identifier of the server, which its physical copies share, and the name of the database. */
async function identityOf({ kysely }: Database): Promise<string> {
  const { rows } = await sql<{ identity: string }>`
    select system_identifier || '-' || current_database() as identity from pg_control_system()
  `.execute(kysely);
  return rows[0]?.identity ?? '';
}

async function checkPooler(database: Database, config: Config, pooled: boolean): Promise<Outcome> {
  const { databaseUrl, databaseDirectUrl, variables } = config;
  if (databaseDirectUrl !== undefined) {
    const direct = await probeServer(databaseDirectUrl, variables.databaseDirectUrl);
    if (direct.pooled) {
      const advice = `set ${variables.databaseDirectUrl} to the host of the database itself, or leave it out`;
      return failed(`a pooler answers at ${variables.databaseDirectUrl}`, advice);
    }
    const other = openDatabase({ ...direct, maxConnections: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
    try {
      const [here, there] = await Promise.all([identityOf(database), identityOf(other)]);
      if (here !== there)
        return failed(
          `${variables.databaseDirectUrl} and ${variables.databaseUrl} lead to different databases`,
          'correct one of them',
        );
    } finally {
      await other.close();
    }
    return ok(`${pooled ? 'a pooler answers' : 'none'}; sessions use ${variables.databaseDirectUrl}`);
  }
  if (!pooled) return ok('none is in front of the database');
  return warning(
    `${variables.databaseUrl} leads to a pooler: new contracts are noticed within seconds instead of at once, and an initial load keeps its indexes`,
    `set DATABASE_DIRECT_URL to the host of the database itself${directHostHint(databaseUrl)}`,
  );
}

/**
 * Returns advice that names the direct host of a database on Neon. Its pooled host has the suffix `-pooler`
 * (https://neon.com/docs/connect/connection-pooling). Empty for other hosts.
 */
function directHostHint(databaseUrl: string): string {
  const { hostname } = new URL(databaseUrl);
  const direct = hostname.replace(/^([^.]+)-pooler(?=\..*neon\.tech$)/, '$1');
  return direct === hostname ? '' : `, which is ${direct}`;
}

async function checkSchema({ kysely }: Database): Promise<Outcome> {
  try {
    await assertSchemaCurrent(kysely);
  } catch (error) {
    return failed(messageOf(error));
  }
  return ok(`${(await migrationStatus(kysely)).length} migrations are applied`);
}

async function checkPrivileges(database: Database): Promise<Outcome> {
  const { kysely } = database;
  const { rows: found } = await sql<{ user: string; creates: boolean; migrated: boolean }>`
    select current_user as user,
      has_database_privilege(current_database(), 'create') and has_schema_privilege('public', 'create') as creates,
      to_regnamespace('indexer') is not null as migrated
  `.execute(kysely);
  const [{ user, creates, migrated } = { user: '', creates: false, migrated: false }] = found;
  if (!migrated) {
    if (creates) return ok(`user ${user} may create the schema`);
    return failed(
      `user ${user} may not create the schema`,
      `grant create on the database and on the schema public to ${user}`,
    );
  }
  const written = describedTables.flatMap(({ schema, name }) => (schema === 'public' ? [name] : []));
  const { rows: missing } = await sql<{ table: string }>`
    select format('%I.%I', nspname, relname) as table
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where relkind in ('r', 'p')
      and (nspname = 'indexer' or nspname = 'public' and relname = any(${[...written, ...REGISTRY_TABLES]}::text[]))
      and not (
        has_schema_privilege(relnamespace, 'usage')
        and has_table_privilege(pg_class.oid, 'select')
        and has_table_privilege(pg_class.oid, 'update')
        and (
          relname = any(${REGISTRY_TABLES}::text[])
          or has_table_privilege(pg_class.oid, 'insert') and has_table_privilege(pg_class.oid, 'delete')
        )
      )
    order by 1
  `.execute(kysely);
  const [first, ...others] = missing;
  if (first === undefined) return ok(`user ${user} may read and write the tables of the mirror`);
  const more = others.length === 0 ? '' : ` and ${others.length} more tables`;
  return failed(
    `user ${user} may not read and write ${first.table}${more}`,
    `grant select, insert, update, delete on them to ${user}`,
  );
}
