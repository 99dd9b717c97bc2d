import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kysely, sql } from 'kysely';

/** Path of the file that holds the generated definitions. */
export const DRIZZLE_FILE = fileURLToPath(new URL('../../indexer/drizzle/generated/schema.ts', import.meta.url));

type Column = {
  readonly name: string;
  readonly type: string;
  readonly isEnum: boolean;
  readonly required: boolean;
  readonly expression: string | null;
  readonly generated: boolean;
  readonly primary: boolean;
  readonly comment: string | null;
};
type Index = {
  readonly name: string;
  readonly unique: boolean;
  /** The indexed columns and expressions. */
  readonly parts: readonly { readonly text: string; readonly isColumn: boolean }[];
  readonly predicate: string | null;
};
type ForeignKey = {
  readonly name: string;
  readonly columns: readonly string[];
  readonly target: string;
  readonly targetColumns: readonly string[];
  readonly onDelete: 'no action' | 'cascade';
};
type Relation = {
  readonly name: string;
  readonly isView: boolean;
  readonly comment: string | null;
  readonly columns: readonly Column[];
  readonly indexes: readonly Index[];
  readonly foreignKeys: readonly ForeignKey[];
};

const HEADING = `// Generated from the migrated database by \`npm run codegen\`. Do not edit.
import { type BuildColumns, type BuildExtraConfigColumns, type ColumnBuilderBase, sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  foreignKey,
  index,
  inet,
  integer,
  jsonb,
  numeric,
  type PgColumnBuilderBase,
  type PgTableExtraConfigValue,
  type PgTableWithColumns,
  pgEnum,
  pgTable,
  pgView,
  text,
  timestamp,
  uniqueIndex,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core';

type Table<Name extends string, Columns extends Record<string, PgColumnBuilderBase>> = PgTableWithColumns<{
  name: Name;
  schema: undefined;
  columns: BuildColumns<Name, Columns, 'pg'>;
  dialect: 'pg';
}>;
type Built<Columns extends Record<string, ColumnBuilderBase>> = BuildExtraConfigColumns<string, Columns, 'pg'>;

// drizzle-kit compares the default of a bigint column with the number that it reads from the database. Only the database applies it.
const bigintDefault = (value: number) => value as unknown as bigint;
`;

/** Column types without a parameter. Values of `bigint` pass 2^53, so they are JavaScript's `bigint`; `numeric` is a string. */
const SIMPLE_TYPES: Readonly<Record<string, [builder: string, options?: string]>> = {
  bigint: ['bigint', "{ mode: 'bigint' }"],
  boolean: ['boolean'],
  inet: ['inet'],
  integer: ['integer'],
  jsonb: ['jsonb'],
  numeric: ['numeric'],
  text: ['text'],
  'timestamp with time zone': ['timestamp', '{ withTimezone: true }'],
  uuid: ['uuid'],
};
const VARCHAR = /^character varying\((\d+)\)$/;
const NUMERIC = /^numeric\((\d+),(\d+)\)$/;
const LITERAL = /^'([^'\\]*)'::[a-z_ ]+$/;
const CONSTANT = /^(?:true|false|\d+)$/;

/** Returns the text of Drizzle definitions of all tables, enums and views in `public`. Throws if Drizzle cannot express one of them. */
export async function generateDrizzle<DB>(db: Kysely<DB>): Promise<string> {
  await refuseInexpressible(db);
  const enums = await readEnums(db);
  const relations = await readRelations(db);
  return [
    HEADING,
    enums.map(enumText).join('\n'),
    ...relations.map((one) => (one.isView ? viewText(one) : tableText(one))),
  ].join('\n');
}

/** Writes the generated file. */
export async function writeDrizzle<DB>(db: Kysely<DB>): Promise<void> {
  await mkdir(dirname(DRIZZLE_FILE), { recursive: true });
  await writeFile(DRIZZLE_FILE, await generateDrizzle(db));
}

/** Throws if `public` holds a constraint or an index of a kind that the generator would leave out or get wrong. */
async function refuseInexpressible<DB>(db: Kysely<DB>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select conname::text as name from pg_constraint where connamespace = 'public'::regnamespace and conrelid <> 0
      and (contype not in ('p', 'f', 'n') or contype = 'p' and array_length(conkey, 1) > 1
        or contype = 'f' and (confupdtype <> 'a' or confdeltype not in ('a', 'c') or confmatchtype <> 's'))
    union all
    select i.relname from pg_index join pg_class i on i.oid = indexrelid join pg_am on pg_am.oid = relam
    where i.relnamespace = 'public'::regnamespace and (amname <> 'btree' or indnatts <> indnkeyatts or i.reloptions is not null
      or exists (select from unnest(indoption) as option where option <> 0)
      or exists (select from unnest(indclass) as class join pg_opclass o on o.oid = class where not opcdefault))
    union all
    select relname from pg_class where relnamespace = 'public'::regnamespace and relkind not in ('r', 'v', 'i')
    union all
    select attname from pg_attribute join pg_class c on c.oid = attrelid
    where relnamespace = 'public'::regnamespace and attidentity <> ''
  `.execute(db);
  if (rows.length > 0) throw new Error(`no Drizzle definition for ${rows.map(({ name }) => name).join(', ')}`);
}

type Enum = { readonly name: string; readonly labels: readonly string[] };

async function readEnums<DB>(db: Kysely<DB>): Promise<readonly Enum[]> {
  const { rows } = await sql<Enum>`
    select typname as name, array_agg(enumlabel::text order by enumsortorder) as labels
    from pg_type join pg_enum on enumtypid = pg_type.oid where typnamespace = 'public'::regnamespace group by 1 order by 1
  `.execute(db);
  return rows;
}

/** Reads the tables and views with their columns in order. Expressions have the form in which PostgreSQL prints them. */
async function readRelations<DB>(db: Kysely<DB>): Promise<readonly Relation[]> {
  const names = (keys: string, relation: string) => sql`(select json_agg(attname order by place)
    from unnest(${sql.ref(keys)}) with ordinality as k(number, place) join pg_attribute on attrelid = ${sql.ref(relation)} and attnum = number)`;
  const { rows } = await sql<Relation>`
    select c.relname as name, c.relkind = 'v' as "isView", obj_description(c.oid, 'pg_class') as comment,
      (select json_agg(json_build_object(
          'name', attname, 'type', format_type(atttypid, atttypmod), 'isEnum', typtype = 'e', 'required', attnotnull,
          'expression', pg_get_expr(adbin, adrelid), 'generated', attgenerated = 's', 'comment', col_description(c.oid, attnum),
          'primary', exists (select from pg_constraint where conrelid = c.oid and contype = 'p' and conkey = array[attnum]))
          order by attnum)
        from pg_attribute join pg_type t on t.oid = atttypid left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
      (select coalesce(json_agg(json_build_object(
          'name', i.relname, 'unique', indisunique, 'predicate', pg_get_expr(indpred, indrelid),
          'parts', (select json_agg(json_build_object('isColumn', number <> 0,
              'text', coalesce(attname, pg_get_indexdef(i.oid, place::int, false))) order by place)
            from unnest(indkey) with ordinality as k(number, place)
            left join pg_attribute on attrelid = indrelid and attnum = number and number <> 0))
          order by i.relname), '[]')
        from pg_index join pg_class i on i.oid = indexrelid where indrelid = c.oid and not indisprimary) as indexes,
      (select coalesce(json_agg(json_build_object(
          'name', conname, 'columns', ${names('conkey', 'conrelid')}, 'targetColumns', ${names('confkey', 'confrelid')},
          'target', (select relname from pg_class where oid = confrelid),
          'onDelete', case confdeltype when 'c' then 'cascade' else 'no action' end)
          order by conname), '[]')
        from pg_constraint where conrelid = c.oid and contype = 'f') as "foreignKeys"
    from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
    order by relkind, relname
  `.execute(db);
  return rows;
}

function enumText({ name, labels }: Enum): string {
  const text = `export const ${camelCase(name)} = pgEnum('${name}', [${labels.map((label) => `'${label}'`).join(', ')}]);\n`;
  return `/** The enum \`${name}\`. */\n${text}`;
}

function tableText({ name, comment, columns, indexes, foreignKeys }: Relation): string {
  const variable = camelCase(name);
  const constraints = [...indexes.map(indexText), ...foreignKeys.map(foreignKeyText)];
  return `/** The columns of \`${name}\`, for a table that has further ones. */
export const ${variable}Columns = {
${columns.map(columnText).join('')}};

/** The indexes and foreign keys of \`${name}\`, for a table that has further ones. */
export const ${variable}Constraints = (${constraints.length > 0 ? 't' : '_'}: Built<typeof ${variable}Columns>): PgTableExtraConfigValue[] => [
${constraints.join('')}];

/** ${comment ?? `The table \`${name}\`.`} */
export const ${variable}: Table<'${name}', typeof ${variable}Columns> = pgTable('${name}', ${variable}Columns, ${variable}Constraints);
`;
}

function viewText({ name, comment, columns }: Relation): string {
  return `/** ${comment ?? `The view \`${name}\`, which the migrations create.`} */
export const ${camelCase(name)} = pgView('${name}', {
${columns.map(columnText).join('')}}).existing();
`;
}

function columnText(column: Column): string {
  const comment = column.comment === null ? '' : `  /** ${column.comment} */\n`;
  const nullability = column.primary ? '.primaryKey()' : column.required ? '.notNull()' : '';
  return `${comment}  ${camelCase(column.name)}: ${builderText(column)}${valueText(column)}${nullability},\n`;
}

function builderText({ name, type, isEnum }: Column): string {
  if (isEnum) return `${camelCase(type)}('${name}')`;
  const length = VARCHAR.exec(type)?.[1];
  if (length !== undefined) return `varchar('${name}', { length: ${length} })`;
  const [, precision, scale] = NUMERIC.exec(type) ?? [];
  if (precision !== undefined) return `numeric('${name}', { precision: ${precision}, scale: ${scale} })`;
  const [builder, options] = SIMPLE_TYPES[type] ?? [];
  if (builder === undefined) throw new Error(`no Drizzle type for ${type} of column ${name}`);
  return `${builder}('${name}'${options === undefined ? '' : `, ${options}`})`;
}

/** Returns the default or the generation expression of a column. */
function valueText({ type, expression, generated }: Column): string {
  if (expression === null) return '';
  if (generated) return `.generatedAlwaysAs(${sqlText(expression)})`;
  if (expression === 'now()') return '.defaultNow()';
  if (expression === 'gen_random_uuid()') return '.defaultRandom()';
  if (type === 'jsonb') return `.default(${sqlText(expression)})`;
  if (type === 'bigint' && CONSTANT.test(expression)) return `.default(bigintDefault(${expression}))`;
  const literal = LITERAL.exec(expression)?.[1];
  if (type.startsWith('numeric')) return `.default('${literal ?? expression}')`;
  if (literal !== undefined) return `.default('${literal}')`;
  if (CONSTANT.test(expression)) return `.default(${expression})`;
  throw new Error(`no Drizzle default for ${expression}`);
}

function indexText({ name, unique, parts, predicate }: Index): string {
  const on = parts.map(({ text, isColumn }) => (isColumn ? `t.${camelCase(text)}` : sqlText(text)));
  const where = predicate === null ? '' : `.where(${sqlText(predicate)})`;
  return `  ${unique ? 'uniqueIndex' : 'index'}('${name}').on(${on.join(', ')})${where},\n`;
}

function foreignKeyText({ name, columns, target, targetColumns, onDelete }: ForeignKey): string {
  const from = columns.map((column) => `t.${camelCase(column)}`).join(', ');
  const to = targetColumns.map((column) => `${camelCase(target)}.${camelCase(column)}`).join(', ');
  const action = onDelete === 'no action' ? '' : `.onDelete('${onDelete}')`;
  return `  foreignKey({ name: '${name}', columns: [${from}], foreignColumns: [${to}] })${action},\n`;
}

function sqlText(expression: string): string {
  return `sql\`${expression.replaceAll(/[\\`]|\$\{/g, '\\$&')}\``;
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
