import type { Command } from 'commander';
import { SchemaVersionError } from '../kernel/errors.ts';
import { wholeNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult, table } from './io.ts';
import { withSession } from './session.ts';

/** The log message while a migration waits because another session holds a lock on a table. */
export const LOCK_BUSY = 'another session holds a lock; trying again';

const ROW_WORK = {
  none: 'reads no rows',
  scan: 'reads all rows',
  rewrite: 'writes all rows again',
  batches: 'updates rows in batches',
} as const;

/** What `migrate up` and `migrate plan` need of `withSession`. To adopt the existing tables of the platform takes two connections. */
const MIGRATING = { schema: 'any', maxConnections: 2 } as const;

/** `indexer migrate`: applies, plans, reverts or lists the migrations of the schema, or prints grants. Needs no RPC endpoint. */
export function addMigrate(program: Command, io: Io): void {
  const migrate = program
    .command('migrate')
    .description('apply, plan, revert or list the migrations of the database schema')
    .addHelpText(
      'after',
      '\nTables that the platform created are adopted: no `migrate` command drops them or deletes their rows.',
    );

  migrate
    .command('up', { isDefault: true })
    .description('apply all pending migrations (the default)')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, MIGRATING, async ({ database, log }) => {
        const { migrateUp } = await import('../db/migrate.ts');
        const applied = await migrateUp(database.kysely, (what, retryInMs) => log.warn({ what, retryInMs }, LOCK_BUSY));
        printResult(
          io,
          options,
          { applied },
          applied.length > 0 ? applied.map((name) => `applied ${name}`) : ['up to date'],
        );
      });
    });

  addPlan(migrate, io);
  addGrants(migrate, io);

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

function addPlan(migrate: Command, io: Io): void {
  migrate
    .command('plan')
    .description('print what `up` would do to the tables of the platform, and the locks that it takes; changes nothing')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, MIGRATING, async ({ database }) => {
        const { planMigrations } = await import('../db/migrate.ts');
        const { pending, steps, refusals, adopted } = await planMigrations(database.kysely);
        const described = steps.map(({ statements, mode, once, ...step }) => ({
          ...step,
          statements: statements.map((statement) => compact(statement.compile(database.kysely).sql)),
        }));
        const lines = [
          ...refusals.map((refusal) => `cannot be adopted: ${refusal}`),
          ...described.flatMap((step, at) => [
            `${at + 1}. ${step.table}: ${step.does} (${step.lock}, ${ROW_WORK[step.rows]})`,
            ...step.statements.map((statement) => `     ${statement}`),
          ]),
          ...(pending.length === 0
            ? ['up to date']
            : [`${described.length + 1}. ${pending.length} migrations in one transaction`]),
          ...adopted.map(({ table, lock, rows, bytes, rewrites }) => {
            const size = `about ${rows} rows, ${bytes} bytes`;
            return `     ${table}: ${lock}, ${size}${rewrites.length > 0 ? `; writes all rows again: ${rewrites.join(', ')}` : ''}`;
          }),
        ];
        printResult(io, options, { refusals, steps: described, pending, adopted }, lines);
        if (refusals.length > 0) throw new SchemaVersionError('the tables of the platform cannot be adopted');
      });
    });
}

function compact(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}

function addGrants(migrate: Command, io: Io): void {
  migrate
    .command('grants')
    .description('print the SQL that grants a role the privileges for all commands except `migrate`')
    .requiredOption('--role <name>', 'a role that exists')
    .addHelpText(
      'after',
      '\nExample:\n  indexer migrate grants --role audifi_indexer | psql --single-transaction "$DATABASE_URL"',
    )
    .action(async ({ role }: { role: string }, command: Command) => {
      const { grantStatements } = await import('../db/grants.ts');
      const statements = grantStatements(role);
      printResult(io, command.optsWithGlobals<GlobalOptions>(), { statements }, statements);
    });
}
