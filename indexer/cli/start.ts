import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import type { GlobalOptions, Io } from './io.ts';
import { LOCK_BUSY } from './migrate.ts';
import { fillingConnections, withSession, withTracing } from './session.ts';

/** Number of ranges that a daemon fills at the same time, for each chain. */
const DAEMON_CONCURRENCY = 2;

/** `indexer start`: runs the daemon until the process is told to stop. */
export function addStart(program: Command, io: Io): void {
  program
    .command('start')
    .description('follow every configured chain until SIGTERM or Ctrl-C')
    .option('--migrate', 'bring the schema up to date first')
    .addHelpText(
      'after',
      `
Example:
  DATABASE_URL=postgres://localhost/mirror RPC_URL_8453=https://mainnet.base.org indexer start --migrate`,
    )
    .action(async (options: { migrate?: boolean }, command: Command) => {
      const globals = command.optsWithGlobals<GlobalOptions>();
      if (options.migrate) {
        await withSession(
          io,
          globals,
          { needs: ['chains'], schema: 'any', maxConnections: 2 },
          async ({ database, log }) => {
            const { migrateUp } = await import('../db/migrate.ts');
            const applied = await migrateUp(database.kysely, (what, retryInMs) =>
              log.warn({ what, retryInMs }, LOCK_BUSY),
            );
            log.info({ applied: applied.length }, 'schema is up to date');
          },
        );
      }
      const maxConnections = ({ chains }: Config) => fillingConnections(chains.length, DAEMON_CONCURRENCY);
      const { Measures } = await import('../observability/measures.ts');
      const measures = new Measures();
      const onStatement = (seconds: number) => measures.queried(seconds);
      const session = { needs: ['chains'], maxConnections, limitStatements: true, onStatement } as const;
      await withSession(io, globals, session, async ({ config, database, log }) => {
        const { runDaemon } = await import('../roles/daemon.ts');
        const version = program.version() ?? '';
        const daemon = {
          config,
          database,
          log,
          measures,
          concurrency: DAEMON_CONCURRENCY,
          runtime: io.runtime,
          version,
        };
        await withTracing(config, version, (tracing) => runDaemon({ ...daemon, tracing }, io.signal));
      });
    });
}
