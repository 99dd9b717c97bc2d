import { sql } from 'drizzle-orm';
import {
  customType,
  foreignKey,
  index,
  type PgColumn,
  type PgColumnBuilderBase,
  type PgEnum,
  type PgTable,
  type PgTableExtraConfigValue,
  pgEnum,
  pgTable,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { type Fixture, type FixtureRow, fixtureRows } from './catalogue.ts';

type Enums = ReadonlyMap<string, PgEnum<[string, ...string[]]>>;
type Columns = Readonly<Record<string, PgColumn>>;
type Rows = (name: string, table: string) => readonly FixtureRow[];
type BuiltTable = PgTable & Columns;

/** Converts PostgreSQL's type names to Drizzle's where the two differ. */
const DRIZZLE_TYPE: readonly (readonly [RegExp, string])[] = [
  [/^character varying/, 'varchar'],
  [/^numeric\((\d+),(\d+)\)$/, 'numeric($1, $2)'],
];
const LITERAL = /^'(.*)'::/;
/** PostgreSQL truncates longer names. */
const NAME_MAX_CHARS = 63;

/**
 * Returns the exports of the platform's own Drizzle schema, built from a fixture: `catalogue` describes all tables of the platform,
 * `backend` only the twelve tables that the platform's backend declares. Columns have the names that they have in the database.
 */
export function platformDefinitions(fixture: Fixture): Readonly<Record<string, unknown>> {
  const enums: Enums = new Map(
    fixtureRows(fixture, 'enums').map(({ enum: name = '', values = '' }) => {
      const [first = '', ...others] = values.split(', ');
      return [name, pgEnum(name, [first, ...others])];
    }),
  );
  const rowsOf: Rows = (name, table) => fixtureRows(fixture, name).filter((row) => row.table === table);
  const tables = new Map<string, BuiltTable>();
  for (const name of new Set(fixtureRows(fixture, 'columns').map(({ table = '' }) => table))) {
    const primary = rowsOf('indexes', name).find(({ kind }) => kind === 'primary')?.columns;
    const columns = rowsOf('columns', name).map((row) => [row.column, buildColumn(row, enums, row.column === primary)]);
    const table = pgTable(name, Object.fromEntries(columns), (t) => buildConstraints(name, t, rowsOf, tables));
    tables.set(name, table as unknown as BuiltTable);
  }
  return { ...Object.fromEntries(enums), ...Object.fromEntries(tables) };
}

function buildColumn(row: FixtureRow, enums: Enums, isPrimary: boolean): PgColumnBuilderBase {
  const { column = '', type = '', nullable, default: value = '' } = row;
  const name = DRIZZLE_TYPE.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), type);
  const built = enums.get(type)?.(column) ?? customType<{ data: string }>({ dataType: () => name })(column);
  if (value !== '') built.default(parseDefault(type, value) as never);
  if (isPrimary) return built.primaryKey();
  return nullable === 'no' ? built.notNull() : built;
}

function parseDefault(type: string, value: string): unknown {
  if (type === 'jsonb' || value.endsWith('()')) return sql.raw(value);
  const literal = LITERAL.exec(value)?.[1];
  if (literal !== undefined) return literal;
  return type.startsWith('numeric') ? value : JSON.parse(value);
}

function buildConstraints(name: string, t: unknown, rowsOf: Rows, tables: ReadonlyMap<string, BuiltTable>) {
  const columns = t as Columns;
  const columnOf = (from: Columns | undefined, column: string): PgColumn => {
    const found = from?.[column];
    if (found === undefined) throw new TypeError(`${name} has no column ${column}`);
    return found;
  };
  const indexes = rowsOf('indexes', name).filter(({ kind }) => kind !== 'primary');
  return [
    ...indexes.map(({ index: indexName = '', kind, columns: list = '' }): PgTableExtraConfigValue => {
      const [first = '', ...others] = list.split(', ');
      const build = kind === 'unique' ? uniqueIndex(indexName) : index(indexName);
      return build.on(columnOf(columns, first), ...others.map((column) => columnOf(columns, column)));
    }),
    ...rowsOf('foreign-keys', name).map(({ column = '', references = '', on_delete: action }) => {
      const [, target = '', key = ''] = /^(\w+)\((\w+)\)$/.exec(references) ?? [];
      const foreign = columnOf(tables.get(target), key);
      const constraint = `${name}_${column}_${target}_${key}_fk`.slice(0, NAME_MAX_CHARS);
      const built = foreignKey({ name: constraint, columns: [columnOf(columns, column)], foreignColumns: [foreign] });
      return action === 'cascade' ? built.onDelete('cascade') : built;
    }),
  ];
}
