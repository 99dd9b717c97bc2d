import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Kysely, sql, type Transaction } from 'kysely';
import { FileMigrationProvider, type Migration, type MigrationResultSet, Migrator } from 'kysely/migration';
import { messageOf, SchemaVersionError } from '../kernel/errors.ts';
import { adoptTables } from './adoption/adopt-tables.ts';
import { type AdoptedTable, adoptedTables } from './adoption/adopted-tables.ts';
import type { Adoption } from './adoption/adoption-step.ts';
import { noteCreated, planAdoption } from './adoption/plan.ts';
import { LOCK_TIMEOUT_MS, type OnBlocked, retryWhileBlocked } from './adoption/retry-while-blocked.ts';

/** The folder of the migration files: `migrations/` in a checkout, and `dist/migrations/` in the package. */
const FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** Matches the files of migrations, but not of their helper modules. */
const MIGRATION_FILE = /^\d{4}_[a-z_]+\.(ts|js)$/;

/** The migrations of this program, by name. */
export const migrations = new FileMigrationProvider({
  fs: { readdir: migrationFiles },
  path,
  migrationFolder: FOLDER,
  import: (file) => import(pathToFileURL(file).href),
});

/** The schema of Kysely's migration tables. It is not `public`, which holds only tables that the platform reads. */
const BOOKKEEPING_SCHEMA = 'indexer';

/** The key of the advisory lock that serialises migrations of one database. The number is arbitrary. */
const MIGRATION_LOCK = 5_294_871_036;

/** A migration that the program or the database knows. */
export type MigrationStatus = {
  readonly name: string;
  /** The time when it was applied. Null while it is pending. */
  readonly appliedAt: Date | null;
  /** Whether the program has this migration. False if a newer program applied it. */
  readonly known: boolean;
};

/**
 * Applies all pending migrations in one transaction and returns their names. Works on an empty database, and on one that has the
 * platform's tables already. It adopts these tables: changes to them that may take long run before the transaction, each as a step of
 * its own (`planAdoption`). Of these changes, only rewrites of a table run in the transaction. Waits only briefly for a lock that another
 * session holds and then tries again later, so that the platform's statements do not queue behind this wait. Concurrent migrations of one
 * database wait for each other. To adopt tables, `db` must be able to open two connections.
 *
 * @throws {SchemaVersionError} if a newer program migrated the database already, or a table cannot be adopted. The transaction is
 * then rolled back, and adoption steps that were executed stay.
 */
export async function migrateUp<DB>(db: Kysely<DB>, onBlocked: OnBlocked = () => undefined): Promise<string[]> {
  const status = await migrationStatus(db);
  refuseNewer(status);
  const adopts = status.every(({ appliedAt }) => appliedAt === null);
  if (adopts) await adoptTables(db, onBlocked, async () => (await appliedMigrations(db)).size > 0);
  return retryWhileBlocked('migrations', onBlocked, () =>
    underMigrationLock(db, async (migrator, tx) => {
      const applied = namesOf(await migrator.migrateToLatest());
      if (adopts && applied.length > 0) await noteCreated(tx);
      return applied;
    }),
  );
}

/** What `migrateUp` would do. */
export type MigrationPlan = Adoption & {
  /** The pending migrations, which are applied in one transaction after the steps. */
  readonly pending: readonly string[];
  /** The existing tables of the platform that the transaction of the migrations locks. */
  readonly adopted: readonly AdoptedTable[];
};

/** Returns what `migrateUp` would do. Changes nothing and takes no lock that another session waits for. */
export async function planMigrations<DB>(db: Kysely<DB>): Promise<MigrationPlan> {
  const status = await migrationStatus(db);
  refuseNewer(status);
  const pending = status.filter(({ appliedAt }) => appliedAt === null).map(({ name }) => name);
  if (pending.length < status.length) return { pending, steps: [], refusals: [], adopted: [] };
  return { pending, ...(await planAdoption(db)), adopted: await adoptedTables(db) };
}

/**
 * Reverts the newest `steps` migrations (default: all) in one transaction and returns their names. Tables that no migration created
 * are neither dropped nor emptied. When no migration is left, the schema `indexer` is dropped.
 */
export async function migrateDown<DB>(db: Kysely<DB>, steps = Number.POSITIVE_INFINITY): Promise<string[]> {
  return underMigrationLock(db, async (migrator, tx) => {
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

/** Returns every migration that the program or the database knows, oldest first. Changes nothing. */
export async function migrationStatus<DB>(db: Kysely<DB>): Promise<MigrationStatus[]> {
  const applied = await appliedMigrations(db);
  const known = new Set((await migrationFiles(FOLDER)).map((file) => path.parse(file).name));
  const names = [...new Set([...known, ...applied.keys()])].sort();
  return names.map((name) => ({ name, appliedAt: applied.get(name) ?? null, known: known.has(name) }));
}

/**
 * Checks that the database has exactly the migrations that the program knows.
 *
 * @throws {SchemaVersionError} if it does not. The message names the command to run.
 */
export async function assertSchemaCurrent<DB>(db: Kysely<DB>): Promise<void> {
  const status = await migrationStatus(db);
  refuseNewer(status);
  const pending = status.filter(({ appliedAt }) => appliedAt === null).map(({ name }) => name);
  if (pending.length === status.length) {
    throw new SchemaVersionError('the database is not migrated yet; run `indexer migrate up`', {
      context: { pending },
    });
  }
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

type MigrationWork<DB> = (migrator: Migrator, tx: Transaction<DB>) => Promise<string[]>;

/** Runs `work` in one transaction. A lock keeps other migrations of the same database waiting. */
async function underMigrationLock<DB>(db: Kysely<DB>, work: MigrationWork<DB>): Promise<string[]> {
  return db.connection().execute(async (connection) => {
    const failures: unknown[] = [];
    try {
      return await connection.transaction().execute(async (tx) => {
        await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(tx);
        await sql`set local search_path to public`.execute(tx);
        await sql`set local statement_timeout to 0`.execute(tx);
        await sql`set local lock_timeout to ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(tx);
        refuseNewer(await migrationStatus(tx));
        const provider = { getMigrations: async () => recordingFailures(await migrations.getMigrations(), failures) };
        const migrator = new Migrator({ db: tx, provider, migrationTableSchema: BOOKKEEPING_SCHEMA });
        return work(migrator, tx);
      });
    } catch (error) {
      // Kysely's migrator locks for the session, and its unlock fails in a failed transaction. The error of this unlock hides the first
      // error, which is in `failures`.
      await sql`select pg_advisory_unlock_all()`.execute(connection);
      throw migrationError(failures[0] ?? error);
    }
  });
}

/** Returns the migrations, wrapped so that an error of one is added to `failures`. */
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
