import { type Kysely, type RawBuilder, sql } from 'kysely';

/**
 * One module of the platform's catalogue. The platform's own ORM created these objects in production, so whatever of them is
 * there already is adopted as it is, with its rows; the rest is created and its name is noted in `indexer.created_tables`, so
 * that `down` removes that and nothing else.
 */
export type CatalogueModule = {
  readonly enums: Readonly<Record<string, readonly string[]>>;
  /** The body of each `create table`, in an order in which foreign keys resolve. */
  readonly tables: Readonly<Record<string, RawBuilder<unknown>>>;
  /** By `table.column`, since an adopted one is found by its column, whatever its name. */
  readonly foreignKeys: Readonly<Record<string, RawBuilder<unknown>>>;
  readonly indexes: Readonly<Record<string, RawBuilder<unknown>>>;
};

type Db = Kysely<unknown>;

/** Creates what is missing of a module and adopts the rest. Throws, naming them, where an adopted table lacks columns. */
export async function createModule(db: Db, module: CatalogueModule): Promise<void> {
  for (const [name, labels] of Object.entries(module.enums)) await createEnum(db, name, labels);
  for (const [name, body] of Object.entries(module.tables)) await createTable(db, name, body);
  for (const [key, statement] of Object.entries(module.foreignKeys)) {
    if ((await foreignKeyName(db, key)) !== undefined) continue;
    await statement.execute(db);
    await note(db, key);
  }
  for (const [name, statement] of Object.entries(module.indexes)) {
    if (await exists(db, sql`to_regclass(${`public.${name}`}) is not null`)) continue;
    await statement.execute(db);
    await note(db, name);
  }
}

/** Removes what `createModule` created, in the reverse order; adopted objects stay as they are. */
export async function dropModule(db: Db, module: CatalogueModule): Promise<void> {
  for (const name of Object.keys(module.indexes).reverse()) {
    if (await forget(db, name)) await sql`drop index if exists public.${sql.ref(name)}`.execute(db);
  }
  for (const key of Object.keys(module.foreignKeys).reverse()) {
    if (!(await forget(db, key))) continue;
    const name = await foreignKeyName(db, key);
    if (name === undefined) continue;
    await sql`alter table ${sql.table(`public.${key.split('.')[0]}`)} drop constraint ${sql.ref(name)}`.execute(db);
  }
  for (const name of Object.keys(module.tables).reverse()) {
    if (await forget(db, name)) await sql`drop table public.${sql.ref(name)}`.execute(db);
  }
  for (const name of Object.keys(module.enums).reverse()) {
    if (await forget(db, name)) await sql`drop type public.${sql.ref(name)}`.execute(db);
  }
}

/** The name of the foreign key on exactly that column (`table.column`), or undefined. An adopted one may be called anything. */
export async function foreignKeyName(db: Db, key: string): Promise<string | undefined> {
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

async function createEnum(db: Db, name: string, labels: readonly string[]): Promise<void> {
  const { rows } = await sql<{ enumlabel: string }>`
    select enumlabel from pg_enum where enumtypid = to_regtype(${`public.${name}`})
  `.execute(db);
  if (rows.length === 0) {
    await sql`create type public.${sql.ref(name)} as enum (${sql.join(labels.map((label) => sql.lit(label)))})`.execute(
      db,
    );
    await note(db, name);
    return;
  }
  const present = new Set(rows.map((row) => row.enumlabel));
  const missing = labels.filter((label) => !present.has(label));
  if (missing.length > 0) throw new Error(`cannot adopt the enum ${name}: it lacks the values ${missing.join(', ')}`);
}

async function createTable(db: Db, name: string, body: RawBuilder<unknown>): Promise<void> {
  if (await exists(db, sql`to_regclass(${`public.${name}`}) is null`)) {
    await sql`create table public.${sql.ref(name)} (${body})`.execute(db);
    await note(db, name);
    return;
  }
  const missing = await missingColumns(db, name, body);
  if (missing.length > 0) throw new Error(`cannot adopt the table ${name}: it lacks the columns ${missing.join(', ')}`);
}

/** The table as it should be is made aside and compared, so that the columns are written down once. */
async function missingColumns(db: Db, name: string, body: RawBuilder<unknown>): Promise<string[]> {
  await sql`create temporary table expected_table (${body})`.execute(db);
  const { rows } = await sql<{ attname: string }>`
    select expected.attname from pg_attribute expected
    where expected.attrelid = 'pg_temp.expected_table'::regclass and expected.attnum > 0
      and not exists (
        select from pg_attribute actual
        where actual.attrelid = to_regclass(${`public.${name}`}) and actual.attname = expected.attname
          and not actual.attisdropped
      )
    order by expected.attnum
  `.execute(db);
  await sql`drop table pg_temp.expected_table`.execute(db);
  return rows.map((row) => row.attname);
}

async function note(db: Db, name: string): Promise<void> {
  await sql`insert into indexer.created_tables (name) values (${name})`.execute(db);
}

async function forget(db: Db, name: string): Promise<boolean> {
  return exists(
    db,
    sql`exists (select from removed)`,
    sql`
    with removed as (delete from indexer.created_tables where name = ${name} returning name)
  `,
  );
}

async function exists(db: Db, condition: RawBuilder<unknown>, before = sql``): Promise<boolean> {
  const { rows } = await sql<{ holds: boolean }>`${before} select ${condition} as holds`.execute(db);
  return rows[0]?.holds === true;
}
