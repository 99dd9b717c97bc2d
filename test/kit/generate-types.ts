import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Kysely, PostgresDialect } from 'kysely';
import { PostgresDialect as GeneratorDialect, generate } from 'kysely-codegen';
import pg from 'pg';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { startPostgres } from './postgres-server.ts';

/** Path of the file that holds the generated types. */
export const TYPES_FILE = fileURLToPath(new URL('../../indexer/db/schema.ts', import.meta.url));

/** Generates the types of a migrated database: `numeric` and `bigint` become strings, timestamps become dates. */
export async function generateTypes(url: string): Promise<string> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 1 }) }),
  });
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

/** Migrates an empty database and writes its types (`npm run codegen`). */
async function main(): Promise<void> {
  const server = await startPostgres({ disposable: true });
  try {
    const db = new Kysely<unknown>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: server.url, max: 1 }) }),
    });
    await migrateUp(db).finally(() => db.destroy());
    await writeFile(TYPES_FILE, await generateTypes(server.url));
  } finally {
    await server.stop();
  }
}

if (import.meta.main) await main();
