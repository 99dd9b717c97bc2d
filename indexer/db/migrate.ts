import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Kysely, sql, type Transaction } from 'kysely';
import { FileMigrationProvider, type Migration, type MigrationResultSet, Migrator } from 'kysely/migration';
import { messageOf, SchemaVersionError } from '../kernel/errors.ts';

/** Beside the program: `migrations/` in a checkout, `dist/migrations/` in the package. */
const FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** Excludes the helpers of migrations, and the declarations (`.d.ts`) that stand beside compiled ones. */
const MIGRATION_FILE = /^\d{4}_[a-z_]+\.(ts|js)$/;

const files = new FileMigrationProvider({
  fs: { readdir: migrationFiles },
  path,
  migrationFolder: FOLDER,
  import: (file) => import(pathToFileURL(file).href),
});

/** Beside the machinery, so that `public` holds the platform's tables only. */
const BOOKKEEPING_SCHEMA = 'indexer';

/** Any constant of our own: it serialises everyone who migrates one database. */
const MIGRATION_LOCK = 5_294_871_036;

/** Whether a migration was applied. */
export type MigrationStatus = {
  readonly name: string;
  /** When it was applied, or null while it is pending. */
  readonly appliedAt: Date | null;
  /** False for one that a newer program applied. */
  readonly known: boolean;
};

/**
 * Applies all pending migrations in one transaction and returns their names. Works on an empty database and adopts one that
 * holds the platform's catalogue. Processes that migrate at once wait for each other. Throws `SchemaVersionError` where a
 * newer program migrated already, and where a table cannot be adopted; then nothing was changed.
 */
export async function migrateUp<DB>(db: Kysely<DB>): Promise<string[]> {
  return exclusively(db, async (migrator) => namesOf(await migrator.migrateToLatest()));
}

/**
 * Takes back the newest `steps` migrations (all of them when absent) in one transaction and returns their names. Tables that
 * no migration created are neither dropped nor emptied; after the last step nothing of the schema `indexer` is left.
 */
export async function migrateDown<DB>(db: Kysely<DB>, steps = Number.POSITIVE_INFINITY): Promise<string[]> {
  return exclusively(db, async (migrator, tx) => {
    const names: string[] = [];
    while (names.length < steps) {
      const undone = namesOf(await migrator.migrateDown());
      if (undone.length === 0) break;
      names.push(...undone);
    }
    if ((await appliedMigrations(tx)).size === 0) await dropBookkeeping(tx);
    return names;
  });
}

/** Every migration that the program or the database knows, oldest first. Changes nothing. */
export async function migrationStatus<DB>(db: Kysely<DB>): Promise<MigrationStatus[]> {
  const applied = await appliedMigrations(db);
  const known = new Set((await migrationFiles(FOLDER)).map((file) => path.parse(file).name));
  const names = [...new Set([...known, ...applied.keys()])].sort();
  return names.map((name) => ({ name, appliedAt: applied.get(name) ?? null, known: known.has(name) }));
}

/** Throws `SchemaVersionError`, with what to run, unless the database has exactly the migrations that the program knows. */
export async function assertSchemaCurrent<DB>(db: Kysely<DB>): Promise<void> {
  const status = await migrationStatus(db);
  refuseNewer(status);
  const pending = status.filter(({ appliedAt }) => appliedAt === null).map(({ name }) => name);
  if (pending.length > 0) {
    throw new SchemaVersionError(
      `the database's schema is older than this program (${pending.length} migrations to apply); run \`indexer migrate up\``,
      { context: { pending } },
    );
  }
}

function refuseNewer(status: readonly MigrationStatus[]): void {
  const unknown = status.filter(({ known }) => !known).map(({ name }) => name);
  if (unknown.length > 0) {
    throw new SchemaVersionError(
      `the database's schema is newer than this program (it has ${unknown.join(', ')}); upgrade the program`,
      { context: { unknown } },
    );
  }
}

type Act<DB> = (migrator: Migrator, tx: Transaction<DB>) => Promise<string[]>;

/** Runs `act` in one transaction, alone among everyone who migrates this database. */
async function exclusively<DB>(db: Kysely<DB>, act: Act<DB>): Promise<string[]> {
  return db.connection().execute(async (connection) => {
    const failures: unknown[] = [];
    try {
      return await connection.transaction().execute(async (tx) => {
        await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(tx);
        await sql`set local search_path to public`.execute(tx);
        await sql`set local statement_timeout to 0`.execute(tx);
        refuseNewer(await migrationStatus(tx));
        const provider = { getMigrations: async () => recordingFailures(await files.getMigrations(), failures) };
        const migrator = new Migrator({ db: tx, provider, migrationTableSchema: BOOKKEEPING_SCHEMA });
        return act(migrator, tx);
      });
    } catch (error) {
      // The migrator cannot give its own lock back in a transaction that failed, and that failure hides the first.
      await sql`select pg_advisory_unlock_all()`.execute(connection);
      throw migrationError(failures[0] ?? error);
    }
  });
}

/** Returns the migrations, each of which keeps what it threw. */
function recordingFailures(migrations: Record<string, Migration>, failures: unknown[]): Record<string, Migration> {
  const guard = (step: Migration['up']) => (db: Kysely<unknown>) =>
    step(db).catch((error: unknown) => {
      failures.push(error);
      throw error;
    });
  return Object.fromEntries(
    Object.entries(migrations).map(([name, { up, down }]) => [
      name,
      { up: guard(up), ...(down === undefined ? {} : { down: guard(down) }) },
    ]),
  );
}

async function migrationFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => MIGRATION_FILE.test(name)).sort();
}

function migrationError(error: unknown): Error {
  if (error instanceof SchemaVersionError) return error;
  const detail = error instanceof Error && 'detail' in error && error.detail ? ` (${String(error.detail)})` : '';
  return new SchemaVersionError(`the migration was rolled back: ${messageOf(error)}${detail}`, { cause: error });
}

function namesOf({ error, results = [] }: MigrationResultSet): string[] {
  if (error !== undefined) throw error;
  return results.map(({ migrationName }) => migrationName);
}

async function appliedMigrations<DB>(db: Kysely<DB>): Promise<Map<string, Date>> {
  const { rows: tables } = await sql`select where to_regclass('indexer.kysely_migration') is not null`.execute(db);
  if (tables.length === 0) return new Map();
  const { rows } = await sql<{ name: string; timestamp: string }>`
    select name, timestamp from indexer.kysely_migration order by name
  `.execute(db);
  return new Map(rows.map(({ name, timestamp }) => [name, new Date(timestamp)]));
}

async function dropBookkeeping<DB>(db: Kysely<DB>): Promise<void> {
  await sql`drop table if exists indexer.kysely_migration, indexer.kysely_migration_lock`.execute(db);
  await sql`drop schema if exists indexer`.execute(db);
}
