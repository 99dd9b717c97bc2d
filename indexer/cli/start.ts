import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { migrateUp } from '../db/migrate.ts';
import { DAEMON_CONCURRENCY } from '../roles/daemon.ts';
import type { GlobalOptions } from './io.ts';
import { type Cli, fillingConnections, withSession } from './session.ts';

/** `indexer start`: the daemon, until it is told to stop. */
export function addStart(program: Command, cli: Cli): void {
  program
    .command('start')
    .description('follow every configured chain until told to stop (SIGTERM or Ctrl-C)')
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
        await withSession(cli, globals, { schema: 'any', maxConnections: 1 }, async ({ database, log }) => {
          const applied = await migrateUp(database.kysely);
          log.info({ applied: applied.length }, 'schema is up to date');
        });
      }
      const maxConnections = ({ chains }: Config) => fillingConnections(chains.length, DAEMON_CONCURRENCY);
      const session = { needs: ['chains'], maxConnections, daemon: true } as const;
      await withSession(cli, globals, session, async ({ config, database, log }) => {
        await cli.services.runDaemon({ config, database, log }, cli.io.signal);
      });
    });
}
