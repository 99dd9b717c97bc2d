import { type Kysely, type RawBuilder, sql } from 'kysely';
import { attempt } from './attempt.ts';
import { type Corrections, correctColumns, replaceIndex, restoreColumns } from './correct.ts';

/**
 * One module of the platform's catalogue, with our corrections. In production the platform's own ORM created these objects, so
 * whatever exists is adopted with its rows and corrected. The rest is created, and its name is noted in
 * `indexer.created_tables`, so that `down` removes that and nothing else.
 */
export type CatalogueModule = {
  readonly enums: Readonly<Record<string, readonly string[]>>;
  /** The body of each `create table`, in an order in which foreign keys resolve. */
  readonly tables: Readonly<Record<string, RawBuilder<unknown>>>;
  /** What each `table.column` references. An adopted key is found by its column, because it may have any name. */
  readonly foreignKeys: Readonly<Record<string, string>>;
  /** The table and columns of each index. */
  readonly indexes: Readonly<Record<string, string>>;
  readonly uniqueIndexes: Readonly<Record<string, string>>;
  readonly corrections?: Corrections;
};

type Db = Kysely<unknown>;

const NAME_LENGTH_MAX = 63;
const EXPECTED_TABLE = 'pg_temp.expected_table';

/** Creates what is missing of a module and adopts the rest. Throws when an adopted table lacks columns, and names them. */
export async function createModule(db: Db, module: CatalogueModule): Promise<void> {
  const { corrections = {} } = module;
  for (const [name, labels] of Object.entries(module.enums)) await createEnum(db, name, labels);
  for (const [name, body] of Object.entries(module.tables)) await createTable(db, name, body, corrections);
  for (const [key, target] of Object.entries(module.foreignKeys)) await createForeignKey(db, key, target);
  for (const key of corrections.deferrable ?? []) await alterForeignKey(db, key, 'deferrable initially immediate');
  for (const [name, create] of indexStatements(module)) {
    if (!(await exists(db, sql`to_regclass(${`public.${name}`}) is not null`))) {
      await create.execute(db);
      await note(db, name);
    } else if (name in (corrections.uniqueOnPlatform ?? {})) {
      await replaceIndex(db, name, create);
    }
  }
}

/**
 * Removes what `createModule` created, in the reverse order. Adopted objects stay and lose their corrections: an index stays loose
 * where rows would violate it, and the same holds for columns (`restoreColumns`).
 */
export async function dropModule(db: Db, module: CatalogueModule): Promise<void> {
  const { corrections = {} } = module;
  for (const [name] of indexStatements(module).reverse()) {
    const platform = corrections.uniqueOnPlatform?.[name];
    if (await forget(db, name)) await sql`drop index if exists public.${sql.ref(name)}`.execute(db);
    else if (platform !== undefined)
      await attempt(db, () => replaceIndex(db, name, createIndex('unique', name, platform)));
  }
  for (const key of Object.keys(module.foreignKeys).reverse()) {
    if (await forget(db, key)) await dropForeignKey(db, key);
    else if (corrections.deferrable?.includes(key)) await alterForeignKey(db, key, 'not deferrable');
  }
  for (const name of Object.keys(module.tables).reverse()) {
    if (await forget(db, name)) await sql`drop table public.${sql.ref(name)}`.execute(db);
    else await restoreColumns(db, name, corrections);
  }
  for (const name of Object.keys(module.enums).reverse()) {
    if (await forget(db, name)) await sql`drop type public.${sql.ref(name)}`.execute(db);
  }
}

async function createEnum(db: Db, name: string, labels: readonly string[]): Promise<void> {
  const { rows } = await sql<{ enumlabel: string }>`
    select enumlabel from pg_enum where enumtypid = to_regtype(${`public.${name}`})
  `.execute(db);
  if (rows.length === 0) {
    const values = sql.join(labels.map((label) => sql.lit(label)));
    await sql`create type public.${sql.ref(name)} as enum (${values})`.execute(db);
    await note(db, name);
    return;
  }
  const present = new Set(rows.map((row) => row.enumlabel));
  const missing = labels.filter((label) => !present.has(label));
  if (missing.length > 0) throw new Error(`cannot adopt the enum ${name}: it lacks the values ${missing.join(', ')}`);
}

async function createTable(db: Db, name: string, body: RawBuilder<unknown>, corrections: Corrections): Promise<void> {
  if (await exists(db, sql`to_regclass(${`public.${name}`}) is null`)) {
    await sql`create table public.${sql.ref(name)} (${body})`.execute(db);
    await note(db, name);
    return;
  }
  // The table as it should be is created aside and compared, so that each column is written down once.
  await sql`create temporary table expected_table (${body})`.execute(db);
  const missing = await missingColumns(db, name, corrections.added ?? []);
  if (missing.length > 0) throw new Error(`cannot adopt the table ${name}: it lacks the columns ${missing.join(', ')}`);
  await correctColumns(db, name, EXPECTED_TABLE, corrections);
  await sql`drop table ${sql.table(EXPECTED_TABLE)}`.execute(db);
}

/** Returns the columns of the expected table that the adopted one lacks, except those that a correction adds. */
async function missingColumns(db: Db, name: string, added: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ attname: string }>`
    select expected.attname from pg_attribute expected
    where expected.attrelid = to_regclass(${EXPECTED_TABLE}) and expected.attnum > 0
      and not exists (
        select from pg_attribute actual
        where actual.attrelid = to_regclass(${`public.${name}`}) and actual.attname = expected.attname
          and not actual.attisdropped
      )
    order by expected.attnum
  `.execute(db);
  return rows.map((row) => row.attname).filter((column) => !added.includes(`${name}.${column}`));
}

/** Creates a foreign key, named as the platform's ORM names it, unless the column has one. */
async function createForeignKey(db: Db, key: string, target: string): Promise<void> {
  if ((await foreignKeyName(db, key)) !== undefined) return;
  const [table = '', column = ''] = key.split('.');
  const name = `${table}_${column}_${target.split(' ')[0]}_id_fk`.slice(0, NAME_LENGTH_MAX);
  await sql`
    alter table ${sql.table(table)} add constraint ${sql.ref(name)}
    foreign key (${sql.ref(column)}) references ${sql.raw(target)}
  `.execute(db);
  await note(db, key);
}

async function alterForeignKey(db: Db, key: string, timing: string): Promise<void> {
  const name = await foreignKeyName(db, key);
  if (name === undefined) throw new Error(`${key} has no foreign key`);
  const [table = ''] = key.split('.');
  await sql`alter table ${sql.table(table)} alter constraint ${sql.ref(name)} ${sql.raw(timing)}`.execute(db);
}

async function dropForeignKey(db: Db, key: string): Promise<void> {
  const name = await foreignKeyName(db, key);
  const [table = ''] = key.split('.');
  if (name !== undefined) await sql`alter table ${sql.table(table)} drop constraint ${sql.ref(name)}`.execute(db);
}

/** Returns the name of the foreign key on exactly that column, or undefined. */
async function foreignKeyName(db: Db, key: string): Promise<string | undefined> {
  const [table, column] = key.split('.');
  const { rows } = await sql<{ conname: string }>`
    select conname from pg_constraint c
    join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
    where c.conrelid = to_regclass(${`public.${table}`}) and c.contype = 'f' and a.attname = ${column}
    order by conname
    limit 1
  `.execute(db);
  return rows[0]?.conname;
}

function indexStatements(module: CatalogueModule): [string, RawBuilder<unknown>][] {
  const statements = (kind: '' | 'unique', indexes: Readonly<Record<string, string>>) =>
    Object.entries(indexes).map(([name, columns]): [string, RawBuilder<unknown>] => [
      name,
      createIndex(kind, name, columns),
    ]);
  return [...statements('', module.indexes), ...statements('unique', module.uniqueIndexes)];
}

function createIndex(kind: '' | 'unique', name: string, columns: string): RawBuilder<unknown> {
  return sql`create ${sql.raw(kind)} index ${sql.ref(name)} on ${sql.raw(columns)}`;
}

async function note(db: Db, name: string): Promise<void> {
  await sql`insert into indexer.created_tables (name) values (${name})`.execute(db);
}

/** Removes a name from the list of what migrations created. Returns false for an adopted object. */
async function forget(db: Db, name: string): Promise<boolean> {
  const { rows } = await sql`delete from indexer.created_tables where name = ${name} returning name`.execute(db);
  return rows.length > 0;
}

async function exists(db: Db, condition: RawBuilder<unknown>): Promise<boolean> {
  const { rows } = await sql<{ holds: boolean }>`select ${condition} as holds`.execute(db);
  return rows[0]?.holds === true;
}
