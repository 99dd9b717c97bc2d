import { type Kysely, sql } from 'kysely';
import type { AdoptableColumn, AdoptableIndex, AdoptableTable } from './adoptable-table.ts';
import { type Adoption, type AdoptionStep, definitionOf } from './adoption-step.ts';
import { type ExistingSchema, type ExistingTable, hasRows, readExistingSchema } from './existing-tables.ts';
import { ADOPTABLE_ENUMS, ADOPTABLE_TABLES } from './generated/tables.ts';
import { lowerCaseSteps } from './lower-case.ts';
import { adoptTokens } from './master-nfts.ts';

/** The tables into which the mirror (this program) inserts rows. In them, columns that only the platform knows must not be required. */
const WRITTEN_TABLES: ReadonlySet<string> = new Set([
  ...['users', 'artists', 'masters', 'master_contracts', 'dividend_contracts', 'artist_tokens', 'liquidity_pools'],
  ...['master_nfts', 'nft_transfers', 'nft_ownership_snapshots', 'token_holders', 'pool_events', 'pool_positions'],
  ...['dividend_events', 'dividend_claims', 'wallet_dividend_balances'],
]);
/** The required columns of the platform that adoption makes optional. */
const HANDLED_COLUMNS: ReadonlySet<string> = new Set(['master_nfts.master_ipo_id']);
/** The required columns without a default value that adoption fills in existing rows. */
const FILLED_COLUMNS: ReadonlySet<string> = new Set(['master_nfts.master_contract_id']);
/** The SQL comment that marks indexes and foreign keys that adoption created, so that `migrateDown` drops them. Added columns stay. */
const CREATED = 'created by the adoption';

/**
 * Returns the changes that the platform's existing tables need before the migrations can adopt them. Every change that may take long is
 * one of these steps, except those that rewrite a table (`rewriteReasons`). So the migrations, which run in one transaction, hold their
 * locks for a short time unless they rewrite a table. Changes nothing.
 *
 * The steps are computed from the difference between the database and the tables that the migrations expect. So there are no steps for an
 * empty database. After all steps were executed, only steps marked `once` can be left.
 */
export async function planAdoption<DB>(db: Kysely<DB>): Promise<Adoption> {
  const existing = await readExistingSchema(db);
  const steps: AdoptionStep[] = [];
  const refusals = enumRefusals(existing);
  const enums = new Set(existing.enums.keys());
  for (const table of ADOPTABLE_TABLES) {
    const held = existing.tables.get(table.name);
    if (held === undefined) continue;
    const missing = missingColumns(table, held);
    const unfilled = missing.filter(
      ({ name, required, value }) => required && value === null && !FILLED_COLUMNS.has(`${table.name}.${name}`),
    );
    if (unfilled.length > 0 && (await hasRows(db, table.name))) {
      const names = unfilled.map(({ name }) => name).join(', ');
      refusals.push(`the table ${table.name} has rows and lacks the required columns ${names}; add and fill them`);
    }
    refusals.push(...foreignRequirements(table, held));
    const added = missing.filter(({ name }) => !FILLED_COLUMNS.has(`${table.name}.${name}`));
    if (added.length > 0) steps.push(columnStep(table.name, added, missingEnums(added, enums)));
    for (const { type } of added) enums.add(type);
  }
  steps.push(...(await lowerCaseSteps({ db, existing })));
  const tokens = await adoptTokens({ db, existing });
  steps.push(...tokens.steps);
  refusals.push(...tokens.refusals);
  const present = presentAfter(existing, steps);
  for (const table of ADOPTABLE_TABLES.filter(({ name }) => present.has(name))) {
    steps.push(...indexSteps(table, existing), ...foreignKeySteps(table, existing, present));
  }
  return { steps, refusals };
}

/** Returns the changes of the migrations that make PostgreSQL write all rows of an existing table to a new file. */
export function rewriteReasons(table: AdoptableTable, held: ExistingTable): readonly string[] {
  const columns = new Map(held.columns.map((column) => [column.name, column.type]));
  return table.columns.flatMap(({ name, type, generated }) => {
    const before = columns.get(name);
    if (before === undefined) return generated ? [`adds the generated column ${name}`] : [];
    return before === type || !rewrites(before, type) ? [] : [`changes ${name} from ${before} to ${type}`];
  });
}

/** Returns whether PostgreSQL writes all rows to a new file when a column's type changes from `before` to `after`. */
function rewrites(before: string, after: string): boolean {
  const family = (type: string) => type.replace(/\(.*$/, '');
  return family(before) !== family(after) || !['character varying', 'numeric'].includes(family(after));
}

function enumRefusals({ enums }: ExistingSchema): string[] {
  return Object.entries(ADOPTABLE_ENUMS).flatMap(([name, labels]) => {
    const held = enums.get(name);
    const missing = held === undefined ? [] : labels.filter((label) => !held.includes(label));
    return missing.length === 0 ? [] : [`the enum ${name} lacks the values ${missing.join(', ')}; add them`];
  });
}

/**
 * Returns the columns that a table lacks, except generated columns. The migrations themselves add the generated columns after they have
 * changed types, because PostgreSQL cannot change the type of a column that a generated column is computed from.
 */
function missingColumns(table: AdoptableTable, { columns }: ExistingTable): AdoptableColumn[] {
  const held = new Set(columns.map(({ name }) => name));
  return table.columns.filter(({ name, generated }) => !generated && !held.has(name));
}

function foreignRequirements({ name: table, columns }: AdoptableTable, held: ExistingTable): string[] {
  if (!WRITTEN_TABLES.has(table)) return [];
  const known = new Set(columns.map(({ name }) => name));
  return held.columns
    .filter(({ name, required, filled }) => required && !filled && !known.has(name))
    .filter(({ name }) => !HANDLED_COLUMNS.has(`${table}.${name}`))
    .map(
      ({ name }) =>
        `the table ${table} requires the column ${name}, which this program does not know; give it a default, or run: ` +
        `alter table ${table} alter column ${name} drop not null`,
    );
}

/** Returns the enum types of the given columns that do not exist yet. The migrations create all other enums. */
function missingEnums(columns: readonly AdoptableColumn[], held: ReadonlySet<string>): string[] {
  return [...new Set(columns.map(({ type }) => type))].filter((type) => type in ADOPTABLE_ENUMS && !held.has(type));
}

function columnStep(table: string, columns: readonly AdoptableColumn[], enums: readonly string[]): AdoptionStep {
  const additions = columns.map((column) => sql`add column if not exists ${definitionOf(column)}`);
  const types = enums.map((name) => {
    const labels = (ADOPTABLE_ENUMS[name] ?? []).map((label) => sql.lit(label));
    return sql`create type public.${sql.ref(name)} as enum (${sql.join(labels)})`;
  });
  return {
    table,
    does: `adds the columns ${columns.map(({ name }) => name).join(', ')}`,
    ...{ lock: 'ACCESS EXCLUSIVE', rows: 'none', mode: 'transaction' },
    statements: [...types, sql`alter table public.${sql.ref(table)} ${sql.join(additions)}`],
  };
}

function presentAfter({ tables }: ExistingSchema, steps: readonly AdoptionStep[]): ReadonlySet<string> {
  return new Set([...tables.keys(), ...steps.map(({ table }) => table)]);
}

/** Returns steps that build missing indexes. Returns none for a table that the migrations rewrite, because they build its indexes, too. */
function indexSteps(table: AdoptableTable, { tables, indexes }: ExistingSchema): AdoptionStep[] {
  const held = tables.get(table.name);
  if (held !== undefined && rewriteReasons(table, held).length > 0) return [];
  return table.indexes
    .filter(({ name }) => indexes.get(name) !== true)
    .map((index) => ({
      table: table.name,
      does: `builds the index ${index.name}`,
      ...{ lock: 'SHARE UPDATE EXCLUSIVE', rows: 'scan', mode: 'alone' },
      statements: buildIndex(index, indexes.has(index.name)),
    }));
}

function buildIndex({ name, definition }: AdoptableIndex, isInvalid: boolean) {
  const index = sql`public.${sql.ref(name)}`;
  return [
    ...(isInvalid ? [sql`drop index concurrently if exists ${index}`] : []),
    sql.raw(definition.replace('INDEX', 'INDEX CONCURRENTLY IF NOT EXISTS')),
    sql`comment on index ${index} is ${sql.lit(CREATED)}`,
  ];
}

/** Returns steps that add and validate foreign keys. A key from or to a table that the migrations create is left to them. */
function foreignKeySteps(
  { name: table, foreignKeys, columns }: AdoptableTable,
  { tables }: ExistingSchema,
  present: ReadonlySet<string>,
): AdoptionStep[] {
  const held = new Map(tables.get(table)?.foreignKeys.map((key) => [key.column, key]));
  const alter = sql`alter table public.${sql.ref(table)}`;
  return foreignKeys.flatMap(({ name, column, target, definition }): AdoptionStep[] => {
    const key = held.get(column);
    if (!present.has(target) || key?.validated === true || !columns.some((known) => known.name === column)) return [];
    const constraint = sql.ref(key?.name ?? name);
    const add: AdoptionStep = {
      table,
      does: `adds the foreign key of ${column} to ${target} for new rows`,
      ...{ lock: 'SHARE ROW EXCLUSIVE', rows: 'none', mode: 'transaction' },
      statements: [
        sql`${alter} add constraint ${constraint} ${sql.raw(definition)} not valid`,
        sql`comment on constraint ${constraint} on public.${sql.ref(table)} is ${sql.lit(CREATED)}`,
      ],
    };
    const validate: AdoptionStep = {
      table,
      does: `checks the foreign key of ${column} for all rows`,
      ...{ lock: 'SHARE UPDATE EXCLUSIVE', rows: 'scan', mode: 'alone' },
      statements: [sql`${alter} validate constraint ${constraint}`],
    };
    return key === undefined ? [add, validate] : [validate];
  });
}

/** Records in `indexer.created_tables` which indexes and foreign keys adoption created, so that reverting the migrations drops them. */
export async function noteCreated<DB>(db: Kysely<DB>): Promise<void> {
  await sql`
    insert into indexer.created_tables (name)
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'i' and obj_description(oid, 'pg_class') = ${CREATED}
    union all
    select format('%s.%s', relname, attname) from pg_constraint f
    join pg_class c on c.oid = conrelid join pg_attribute on attrelid = conrelid and conkey = array[attnum]
    where contype = 'f' and connamespace = 'public'::regnamespace and obj_description(f.oid, 'pg_constraint') = ${CREATED}
    on conflict do nothing
  `.execute(db);
}
