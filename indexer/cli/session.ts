import { loadConfig } from '../config/load.ts';
import type { Config, Need } from '../config/resolve.ts';
import { secretsOf } from '../config/secrets.ts';
import type { Database } from '../db/database.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { createLogger, type Logger } from '../observability/log.ts';
import { createRedact } from '../observability/redact.ts';
import type { GlobalOptions, Io } from './io.ts';
import type { Services } from './services.ts';

/** What a command works with: its configuration, its database, its log. */
export type Session = { readonly config: Config; readonly database: Database; readonly log: Logger };

/** What runs a command: the process around it and what `main` constructed for it. */
export type Cli = { readonly io: Io; readonly services: Services };

type SessionNeeds = {
  /** Beside the database. */
  readonly needs?: readonly Need[];
  /** Whether the schema must be the program's own; only migrating does without. */
  readonly schema?: 'current' | 'any';
  readonly maxConnections?: number | ((config: Config) => number);
  /** Runs for months, so that a frozen statement is given up; a command may take as long as it takes. */
  readonly daemon?: boolean;
};

/** Connections of a process that fills history: of each chain its ranges in work, its head and its plan; and what is asked beside. */
export function fillingConnections(chains: number, concurrency: number): number {
  return chains * (concurrency + 2) + 6;
}

/** Runs a command over an open database, and closes it whatever happens. */
export async function withSession<T>(
  { io, services }: Cli,
  options: GlobalOptions,
  { needs = [], schema = 'current', maxConnections = 4, daemon = false }: SessionNeeds,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const config = await loadConfig(options.config, io.env, ['database', ...needs]);
  const log = createLogger({
    level: config.logLevel,
    redact: createRedact(secretsOf(config)),
    sink: io.stderr,
    pretty: io.stderr.isTTY === true,
  });
  const database = services.openDatabase({
    url: config.databaseUrl,
    maxConnections: typeof maxConnections === 'number' ? maxConnections : maxConnections(config),
    ...(daemon ? {} : { statementTimeoutMs: 0 }),
    onConnectionLost: (error) => log.warn({ err: error }, 'lost an idle database connection'),
  });
  try {
    if (schema === 'current') await assertSchemaCurrent(database.kysely);
    return await work({ config, database, log });
  } finally {
    await database.close();
  }
}
