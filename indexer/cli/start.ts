import type { Command } from 'commander';
import { assertSchemaCurrent, migrateUp } from '../db/migrate.ts';
import type { GlobalOptions } from './io.ts';
import { type Cli, withSession } from './session.ts';

const DAEMON_CONNECTIONS = 16;

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
      const session = { needs: ['chains'], schema: 'any', maxConnections: DAEMON_CONNECTIONS } as const;
      await withSession(cli, globals, session, async ({ config, database, log }) => {
        if (options.migrate) {
          const applied = await migrateUp(database.kysely);
          log.info({ applied: applied.length }, 'schema is up to date');
        }
        await assertSchemaCurrent(database.kysely);
        await cli.services.runDaemon({ config, database, log }, cli.io.signal);
      });
    });
}
