import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kysely, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { AdoptableTable } from '../../indexer/db/adoption/adoptable-table.ts';
import { migrations } from '../../indexer/db/migrate.ts';

/** Path of the file that holds the generated tables. */
export const ADOPTABLE_FILE = fileURLToPath(new URL('../../indexer/db/adoption/generated/tables.ts', import.meta.url));

/** The last of the migrations that create or adopt the tables of the platform. Later ones add columns and indexes to them. */
const LAST_MIGRATION = '0008_operations';

const HEADING = `// Generated from the migrated database by \`npm run codegen\`. Do not edit.
import type { AdoptableTable } from '../adoptable-table.ts';

/** The tables of the platform, as the migrations that adopt them expect them, in an order in which foreign keys resolve. */
export const ADOPTABLE_TABLES: readonly AdoptableTable[] = `;

const ENUMS_HEADING = `
/** The labels of each enum of the platform. */
export const ADOPTABLE_ENUMS: Readonly<Record<string, readonly string[]>> = `;

/** Migrates an empty database to the last migration that adopts tables, and returns the text of the generated file. */
export async function generateAdoptable(db: Kysely<unknown>): Promise<string> {
  const migrator = new Migrator({ db, provider: migrations, migrationTableSchema: 'indexer' });
  await sql`set search_path to public`.execute(db);
  const { error } = await migrator.migrateTo(LAST_MIGRATION);
  if (error !== undefined) throw error;
  const { rows } = await sql<AdoptableTable>`
    select c.relname as name,
      (select json_agg(json_build_object(
          'name', attname, 'type', format_type(atttypid, atttypmod), 'required', attnotnull,
          'value', case when attgenerated = '' then pg_get_expr(adbin, adrelid) end, 'generated', attgenerated = 's')
          order by attnum)
        from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
      (select coalesce(json_agg(json_build_object(
          'name', i.relname, 'definition', pg_get_indexdef(i.oid))
          order by i.relname), '[]')
        from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid and not x.indisprimary) as indexes,
      (select coalesce(json_agg(json_build_object(
          'name', conname, 'column', a.attname, 'target', confrelid::regclass::text, 'definition', pg_get_constraintdef(f.oid))
          order by conname), '[]')
        from pg_constraint f join pg_attribute a on a.attrelid = f.conrelid and f.conkey = array[a.attnum]
        where conrelid = c.oid and contype = 'f') as "foreignKeys"
    from pg_class c where relnamespace = 'public'::regnamespace and relkind = 'r'
      and relname in (select name from indexer.created_tables)
    order by c.oid
  `.execute(db);
  const lines = rows.map(
    ({ name, columns, indexes, foreignKeys }) =>
      `  {\n    name: ${JSON.stringify(name)},\n${listOf('columns', columns)}${listOf('indexes', indexes)}${listOf('foreignKeys', foreignKeys)}  },\n`,
  );
  const enums = await sql<{ name: string; labels: string[] }>`
    select typname as name, array_agg(enumlabel::text order by enumsortorder) as labels
    from pg_type join pg_enum on enumtypid = pg_type.oid where typnamespace = 'public'::regnamespace group by 1 order by 1
  `.execute(db);
  const labels = enums.rows.map(({ name, labels }) => `  ${name}: ${JSON.stringify(labels)},\n`);
  return `${HEADING}[\n${lines.join('')}];\n${ENUMS_HEADING}{\n${labels.join('')}};\n`;
}

function listOf(name: string, items: readonly unknown[]): string {
  return `    ${name}: [\n${items.map((item) => `      ${JSON.stringify(item)},\n`).join('')}    ],\n`;
}

/** Writes the generated file. */
export async function writeAdoptable(db: Kysely<unknown>): Promise<void> {
  await mkdir(dirname(ADOPTABLE_FILE), { recursive: true });
  await writeFile(ADOPTABLE_FILE, await generateAdoptable(db));
}
