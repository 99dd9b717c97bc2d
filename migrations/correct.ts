import { type Kysely, type RawBuilder, sql } from 'kysely';
import { attempt } from './attempt.ts';

/**
 * How the tables that the platform created differ from the tables of a module. `up` corrects a table that it adopts, and `down`
 * takes the corrections back as far as the rows allow. Columns are named `table.column`.
 */
export type Corrections = {
  /** Columns that the platform's tables do not have. */
  readonly added?: readonly string[];
  /** Columns whose type on the platform, given here, cannot hold what a chain says. */
  readonly widened?: Readonly<Record<string, string>>;
  /** Columns that the platform declares `not null` although a chain does not always have a value for them. */
  readonly optional?: readonly string[];
  /** Columns that start at 0 and have no default on the platform. */
  readonly startingAtZero?: readonly string[];
  /** Indexes that are unique on the platform over the columns given here, which a chain would violate. */
  readonly uniqueOnPlatform?: Readonly<Record<string, string>>;
  /** Foreign keys that a commit defers, and that are not deferrable on the platform. */
  readonly deferrable?: readonly string[];
};

type Db = Kysely<unknown>;
type Column = {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly generated: boolean;
  /** The default, or the expression of a generated column, as SQL. */
  readonly value: string | null;
};

/** Gives an adopted table the columns, types and defaults of `expected`, another table, as far as they are declared. */
export async function correctColumns(db: Db, table: string, expected: string, corrections: Corrections): Promise<void> {
  const { added = [], widened = {}, optional = [], startingAtZero = [] } = corrections;
  for (const column of await columnsOf(db, expected)) {
    const key = `${table}.${column.name}`;
    if (key in widened) await alterColumn(db, key, `type ${column.type}`);
    if (optional.includes(key)) await alterColumn(db, key, 'drop not null');
    if (startingAtZero.includes(key)) {
      await alterColumn(db, key, 'set default 0');
      const name = sql.ref(column.name);
      await sql`update ${sql.table(table)} set ${name} = 0 where ${name} is null`.execute(db);
    }
    if (added.includes(key)) await addColumn(db, table, column);
  }
}

/**
 * Takes the corrections of an adopted table's columns back. A column stays where a row holds something in it, and stays wide or
 * nullable where a row needs that: no row is lost.
 */
export async function restoreColumns(db: Db, table: string, corrections: Corrections): Promise<void> {
  const { added = [], widened = {}, optional = [], startingAtZero = [] } = corrections;
  const columns = await columnsOf(db, `public.${table}`);
  // In reverse order, because a generated column depends on columns before it.
  for (const column of columns.toReversed()) {
    if (added.includes(`${table}.${column.name}`)) await dropUnusedColumn(db, table, column);
  }
  for (const { name } of columns) {
    const key = `${table}.${name}`;
    if (startingAtZero.includes(key)) await alterColumn(db, key, 'drop default');
    if (optional.includes(key)) await attempt(db, () => alterColumn(db, key, 'set not null'));
    if (key in widened) await attempt(db, () => alterColumn(db, key, `type ${widened[key]}`));
  }
}

/** Replaces the index of that name, which the platform may have created as a constraint. */
export async function replaceIndex(db: Db, name: string, create: RawBuilder<unknown>): Promise<void> {
  const { rows } = await sql<{ table: string }>`
    select conrelid::regclass::text as table from pg_constraint
    where conindid = to_regclass(${`public.${name}`}) and contype = 'u'
  `.execute(db);
  for (const { table } of rows) await sql`alter table ${sql.table(table)} drop constraint ${sql.ref(name)}`.execute(db);
  await sql`drop index if exists public.${sql.ref(name)}`.execute(db);
  await create.execute(db);
}

async function columnsOf(db: Db, table: string): Promise<Column[]> {
  const { rows } = await sql<Column>`
    select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as required,
      attgenerated = 's' as generated, pg_get_expr(adbin, adrelid) as value
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = to_regclass(${table}) and attnum > 0 and not attisdropped
    order by attnum
  `.execute(db);
  return rows;
}

async function addColumn(db: Db, table: string, { name, type, required, generated, value }: Column): Promise<void> {
  const kept = generated ? `generated always as (${value}) stored` : value === null ? '' : `default ${value}`;
  await sql`
    alter table ${sql.table(table)}
    add column if not exists ${sql.ref(name)} ${sql.raw(type)} ${sql.raw(required ? 'not null' : '')} ${sql.raw(kept)}
  `.execute(db);
}

async function dropUnusedColumn(db: Db, table: string, { name, generated, value }: Column): Promise<void> {
  const { rows } = await sql`
    select from ${sql.table(table)}
    where ${sql.lit(!generated)} and ${sql.ref(name)} is distinct from ${sql.raw(value ?? 'null')}
    limit 1
  `.execute(db);
  if (rows.length === 0) await sql`alter table ${sql.table(table)} drop column ${sql.ref(name)}`.execute(db);
}

async function alterColumn(db: Db, key: string, change: string): Promise<void> {
  const [table = '', column = ''] = key.split('.');
  await sql`alter table ${sql.table(table)} alter column ${sql.ref(column)} ${sql.raw(change)}`.execute(db);
}
