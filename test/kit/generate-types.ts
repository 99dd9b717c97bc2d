import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Kysely, PostgresDialect } from 'kysely';
import { PostgresDialect as GeneratorDialect, generate } from 'kysely-codegen';
import pg from 'pg';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { writeAdoptable } from './generate-adoptable.ts';
import { writeDrizzle } from './generate-drizzle.ts';
import { startPostgres } from './postgres-server.ts';

/** Path of the file that holds the generated types. */
export const TYPES_FILE = fileURLToPath(new URL('../../indexer/db/schema.ts', import.meta.url));

/** Generates the types of a migrated database: `numeric` and `bigint` become strings, timestamps become dates. */
export async function generateTypes(url: string): Promise<string> {
  const db = connect(url);
  try {
    return await generate({
      db,
      dialect: new GeneratorDialect({ defaultSchemas: ['public'] }),
      defaultSchemas: ['public'],
      excludePattern: '{indexer.kysely_*,mirror_*.*}',
      typeMapping: { int8multirange: 'string' },
    });
  } finally {
    await db.destroy();
  }
}

function connect(url: string): Kysely<unknown> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  // The server may stop before a connection is closed.
  pool.on('error', () => undefined);
  return new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
}

/** Migrates an empty database and writes what is generated from it (`npm run codegen`). */
async function main(): Promise<void> {
  const server = await startPostgres({ disposable: true });
  try {
    const db = connect(server.url);
    try {
      // The adoptable tables are read after an earlier migration, before the remaining migrations run.
      await writeAdoptable(db);
      await migrateUp(db);
      await writeDrizzle(db);
    } finally {
      await db.destroy();
    }
    await writeFile(TYPES_FILE, await generateTypes(server.url));
  } finally {
    await server.stop();
  }
}

if (import.meta.main) await main();
