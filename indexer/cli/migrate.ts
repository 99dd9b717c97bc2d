import type { Command } from 'commander';
import { wholeNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult, table } from './io.ts';
import { withSession } from './session.ts';

/** `indexer migrate [up|down|status]`: migrates the schema. Needs no RPC endpoint. */
export function addMigrate(program: Command, io: Io): void {
  const migrate = program
    .command('migrate')
    .description('apply, revert or list the migrations of the database schema')
    .addHelpText(
      'after',
      '\nTables that the platform created are adopted: they and their rows stay, whichever command you run here.',
    );

  migrate
    .command('up', { isDefault: true })
    .description('apply all pending migrations (the default)')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, { schema: 'any', maxConnections: 1 }, async ({ database }) => {
        const { migrateUp } = await import('../db/migrate.ts');
        const applied = await migrateUp(database.kysely);
        printResult(
          io,
          options,
          { applied },
          applied.length > 0 ? applied.map((name) => `applied ${name}`) : ['up to date'],
        );
      });
    });

  migrate
    .command('down')
    .description('revert migrations: DROPS the tables that `up` created, with their rows')
    .option('--steps <n>', 'revert only the newest n migrations', wholeNumber)
    .action(async ({ steps }: { steps?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, { schema: 'any', maxConnections: 1 }, async ({ database }) => {
        const { migrateDown } = await import('../db/migrate.ts');
        const reverted = await migrateDown(database.kysely, steps);
        const lines = reverted.length > 0 ? reverted.map((name) => `reverted ${name}`) : ['nothing to revert'];
        printResult(io, options, { reverted }, lines);
      });
    });

  migrate
    .command('status')
    .description('show every migration and when it was applied')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, { schema: 'any', maxConnections: 1 }, async ({ database }) => {
        const { migrationStatus } = await import('../db/migrate.ts');
        const migrations = await migrationStatus(database.kysely);
        const rows = migrations.map(({ name, appliedAt, known }) => [
          name,
          appliedAt === null ? 'pending' : appliedAt.toISOString(),
          known ? '' : 'unknown: a newer program applied it',
        ]);
        printResult(io, options, { migrations }, table(rows));
      });
    });
}
