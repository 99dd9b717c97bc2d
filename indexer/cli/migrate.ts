import type { Command } from 'commander';
import { wholeNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult, table } from './io.ts';
import { withSession } from './session.ts';

/** `indexer migrate [up|down|status]`: the schema. Needs no RPC. */
export function addMigrate(program: Command, io: Io): void {
  const migrate = program
    .command('migrate')
    .description('bring the database schema up to date, take it back, or show it')
    .addHelpText(
      'after',
      '\nA database that the platform made already is adopted: its tables and rows stay, whatever you run here.',
    );

  migrate
    .command('up', { isDefault: true })
    .description('apply what is missing (the default)')
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
    .description('take migrations back: DROPS the tables that `up` created, with their rows')
    .option('--steps <n>', 'only the newest n migrations', wholeNumber)
    .action(async ({ steps }: { steps?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, { schema: 'any', maxConnections: 1 }, async ({ database }) => {
        const { migrateDown } = await import('../db/migrate.ts');
        const reverted = await migrateDown(database.kysely, steps);
        const lines = reverted.length > 0 ? reverted.map((name) => `took back ${name}`) : ['nothing to take back'];
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
