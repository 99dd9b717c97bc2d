import type { Config, Need } from '../config/resolve.ts';
import type { Database } from '../db/database.ts';
import type { Logger } from '../observability/log.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { GlobalOptions, Io } from './io.ts';

/** The configuration, database and log of a command, and the result of its `prepare` function. */
export type Session<P = undefined> = {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly prepared: P;
};

type SessionNeeds<P> = {
  /** The parts of the configuration that the command requires besides the database. */
  readonly needs?: readonly Need[];
  /** Whether the schema must be up to date. Only the commands that migrate it accept any schema. */
  readonly schema?: 'current' | 'any';
  readonly maxConnections?: number | ((config: Config) => number);
  /** Whether statements have a timeout. Commands that fill history or follow a chain need one. Other commands may take any time. */
  readonly limitStatements?: boolean;
  /** Called after every statement outside transactions, with its duration in seconds. Statements of pages and metrics are left out. */
  readonly onStatement?: (seconds: number) => void;
  /**
   * Runs before any connection is opened. Its result becomes `Session.prepared`. Throws `UsageError` for arguments that do not fit the
   * configuration.
   */
  readonly prepare?: (config: Config) => P | Promise<P>;
};

const POOLER_WARNING =
  'DATABASE_URL leads to a pooler: new contracts are noticed within seconds instead of at once, and an initial load keeps its indexes; ' +
  'set DATABASE_DIRECT_URL to the host of the database itself';

/**
 * The maximum number of connections that the chains of a process share, unless a higher `--concurrency` needs more. A process opens up to
 * 16 more for commits at the head, the queue, pages and metrics, leadership, and notifications. So two processes fit into the 100
 * connections that PostgreSQL accepts by default.
 */
const CONNECTIONS_MAX = 24;

/**
 * How long after a stop signal the work of a command may use the database. Then its connections are closed, so that a process whose
 * database never answers ends by itself within 15 s. A healthy database answers sooner.
 */
const STOP_GRACE_MS = 7_000;

/**
 * Returns the maximum number of connections of a process that fills history. Each chain needs `concurrency` connections for ranges and
 * two for its head and its planning. Six more are spare. The sum is limited to `CONNECTIONS_MAX`, or to `concurrency` + 8 if that is more.
 */
export function fillingConnections(chains: number, concurrency: number): number {
  return Math.min(chains * (concurrency + 2) + 6, Math.max(CONNECTIONS_MAX, concurrency + 8));
}

/** Runs `work`. If the configuration names an OpenTelemetry collector, `work` gets a `Tracing` that sends traces to the collector. */
export async function withTracing(
  config: Config,
  version: string,
  work: (tracing: Tracing | undefined) => Promise<void>,
): Promise<void> {
  const { otlpEndpoint } = config;
  if (otlpEndpoint === undefined) return work(undefined);
  const [{ Tracing }, { createRedact }, { secretsOf }] = await Promise.all([
    import('../observability/tracing.ts'),
    import('../observability/redact.ts'),
    import('../config/secrets.ts'),
  ]);
  const tracing = await Tracing.open(otlpEndpoint, version, createRedact(secretsOf(config)));
  try {
    await work(tracing);
  } finally {
    await tracing.close();
  }
}

/** Runs a command with an open database, and closes the database afterwards. Loads libraries only when it is called. */
export async function withSession<T, P = undefined>(
  io: Io,
  options: GlobalOptions,
  {
    needs = [],
    schema = 'current',
    maxConnections = 4,
    limitStatements = false,
    onStatement,
    prepare,
  }: SessionNeeds<P>,
  work: (session: Session<P>) => Promise<T>,
): Promise<T> {
  const { loadSettings } = await import('../config/config-file.ts');
  const { config, ignored } = await loadSettings(options.config, io.env, ['database', ...needs]);
  const prepared = (await prepare?.(config)) as P;
  const [{ openDatabase }, { findSessions, probeServer }, { assertSchemaCurrent }, ...others] = await Promise.all([
    import('../db/database.ts'),
    import('../db/server.ts'),
    import('../db/migrate.ts'),
    import('../observability/log.ts'),
    import('../observability/redact.ts'),
    import('../config/secrets.ts'),
  ]);
  const [{ createLogger }, { createRedact }, { secretsOf }] = others;
  const log = createLogger({
    level: config.logLevel,
    redact: createRedact(secretsOf(config)),
    sink: io.stderr,
    pretty: io.stderr.isTTY === true,
  });
  for (const variable of ignored) log.warn(variable, 'environment variable ignored');
  const server = await probeServer(config.databaseUrl, config.variables.databaseUrl);
  const sessions = await findSessions(server, config.databaseDirectUrl);
  if (limitStatements && !sessions.lasting) log.warn(POOLER_WARNING);
  const database = openDatabase({
    ...server,
    sessions,
    maxConnections: typeof maxConnections === 'number' ? maxConnections : maxConnections(config),
    ...(limitStatements ? {} : { statementTimeoutMs: 0 }),
    onStatement,
    onConnectionLost: (error) => log.warn({ err: error }, 'idle database connection lost'),
  });
  const abandonLater = () => void setTimeout(() => database.abandon(), STOP_GRACE_MS).unref();
  io.signal.addEventListener('abort', abandonLater, { once: true });
  try {
    if (schema === 'current') await assertSchemaCurrent(database.kysely);
    return await work({ config, database, log, prepared });
  } finally {
    await database.close();
    io.signal.removeEventListener('abort', abandonLater);
  }
}
