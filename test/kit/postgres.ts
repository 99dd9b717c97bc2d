import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { buildProgram } from './bundle.ts';
import { fillCompileCache } from './compile-cache.ts';
import { startPostgres } from './postgres-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The superuser's connection string to the test run's PostgreSQL server. */
    postgresUrl: string;
    /** The entry point of the program that tests start. */
    program: string;
  }
}

const TEMPLATE = 'migrated_template';
const CLOSING_TRIES = 20;
const CLOSING_INTERVAL_MS = 10;

/** A database for one test. */
export type TestDatabase = {
  readonly url: string;
  /** Drops the database, even if it has open connections. */
  drop(): Promise<void>;
};

/**
 * Starts one PostgreSQL server for the whole run, and creates the migrated database that tests clone. Builds the program that tests
 * start, and fills its compile cache. This is Vitest's global setup.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres({ disposable: true });
  const program = await buildProgram();
  const end = async () => {
    await Promise.all([server.stop(), program.remove()]);
  };
  try {
    await createTemplate(server.url);
    const { url, drop } = await cloneDatabase(server.url, TEMPLATE);
    await fillCompileCache(program.main, url);
    await drop();
    project.provide('postgresUrl', server.url);
    project.provide('program', program.main);
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}

/** Creates a migrated database by cloning the run's template. Call it inside a test or a hook. */
export async function createDatabase(): Promise<TestDatabase> {
  return cloneDatabase(await runUrl(), TEMPLATE);
}

/** Creates an empty database, by default on the run's server. */
export async function createEmptyDatabase(serverUrl?: string): Promise<TestDatabase> {
  return cloneDatabase(serverUrl ?? (await runUrl()), 'template0');
}

/** Creates the migrated database that `createDatabase` clones. */
async function createTemplate(serverUrl: string): Promise<void> {
  await onServer(serverUrl).query(`create database ${TEMPLATE} template template0`);
  const pool = new pg.Pool({ connectionString: databaseUrl(serverUrl, TEMPLATE), max: 1 });
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrateUp(db);
  } finally {
    await db.destroy();
  }
  await onServer(serverUrl).query(`alter database ${TEMPLATE} allow_connections false`);
}

async function cloneDatabase(serverUrl: string, template: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const server = onServer(serverUrl);
  const connections = async () => {
    const { rowCount } = await server.query('select from pg_stat_activity where datname = $1', [name]);
    return rowCount;
  };
  // PostgreSQL's default strategy writes the copy to the WAL, which takes several times as long.
  await server.query(`create database ${name} template ${template} strategy file_copy`);
  return {
    url: databaseUrl(serverUrl, name),
    async drop() {
      // A pool that has ended may still be closing connections. Each of them would report an error if the server terminated it.
      for (let tries = 0; tries < CLOSING_TRIES && (await connections()) !== 0; tries++)
        await wait(CLOSING_INTERVAL_MS);
      await server.query(`drop database if exists ${name} with (force)`);
    },
  };
}

/** Returns the URL of the run's server. Vitest is imported here, so that this module also loads outside of Vitest. */
async function runUrl(): Promise<string> {
  const { inject } = await import('vitest');
  return inject('postgresUrl');
}

function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Connection pools by server URL. Tests of this process share them, since opening a connection takes as long as ten statements. */
const servers = new Map<string, pg.Pool>();

function onServer(url: string): pg.Pool {
  const known = servers.get(url);
  if (known !== undefined) return known;
  const pool = new pg.Pool({ connectionString: url, allowExitOnIdle: true });
  // A test may stop its server.
  pool.on('error', () => undefined);
  servers.set(url, pool);
  return pool;
}
