import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Kysely, PostgresDialect } from 'kysely';
import { PostgresDialect as GeneratorDialect, generate } from 'kysely-codegen';
import pg from 'pg';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { startPostgres } from './postgres-server.ts';

/** The checked-in types. */
export const TYPES_FILE = fileURLToPath(new URL('../../indexer/db/schema.ts', import.meta.url));

/** The types of a migrated database: `numeric` and `bigint` come back as strings, timestamps as dates. */
export async function generateTypes(url: string): Promise<string> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 1 }) }),
  });
  try {
    return await generate({
      db,
      dialect: new GeneratorDialect({ defaultSchemas: ['public'] }),
      defaultSchemas: ['public'],
      excludePattern: 'indexer.kysely_*',
      typeMapping: { int8multirange: 'string' },
    });
  } finally {
    await db.destroy();
  }
}

/** Writes the types of a database that has just been migrated: `npm run codegen`. */
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
