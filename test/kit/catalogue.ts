import { readFileSync } from 'node:fs';
import type pg from 'pg';

/** Maps the name of each database object to a description of its properties. */
export type Catalogue = ReadonlyMap<string, string>;

/** A difference between the platform's catalogue and the migrated one. Undefined means that the object does not exist. */
export type CatalogueDifference = {
  readonly object: string;
  readonly platform: string | undefined;
  readonly migrated: string | undefined;
};

/** A folder of `test/fixtures` that describes tables of the platform. */
export type Fixture = 'catalogue' | 'backend';

/** A row of a fixture, by column. */
export type FixtureRow = Readonly<Record<string, string>>;

/** Returns the catalogue that the platform's documentation describes. */
export function platformCatalogue(): Catalogue {
  return new Map([
    ...catalogueRows('columns').map((row): [string, string] => [
      `column ${row.table}.${row.column}`,
      columnText(row.type ?? '', row.nullable === 'yes', row.default ?? ''),
    ]),
    ...catalogueRows('enums').map((row): [string, string] => [`enum ${row.enum}`, row.values ?? '']),
    ...catalogueRows('foreign-keys').map((row): [string, string] => [
      `foreign key ${row.table}.${row.column}`,
      `references ${row.references} on delete ${row.on_delete}`,
    ]),
    ...catalogueRows('indexes').map((row): [string, string] => [
      `index ${row.index}`,
      `${row.kind} on ${row.table} (${row.columns})`,
    ]),
  ]);
}

/** Returns the differences that the migrations make on purpose, with objects described as `databaseCatalogue` describes them. */
export function acceptedCorrections(): CatalogueDifference[] {
  return catalogueRows('corrections').map((row) => ({
    object: row.object ?? '',
    platform: row.platform || undefined,
    migrated: row.migrated || undefined,
  }));
}

/** Reads the catalogue of a database's schema `public`, with objects described as `platformCatalogue` describes them. */
export async function databaseCatalogue(client: pg.Client): Promise<Catalogue> {
  const { rows } = await client.query<{ object: string; text: string }>(`
    select format('column %s.%s', c.relname, a.attname) as object,
      format('%s %s%s', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' else 'null' end,
        case a.attgenerated when 's' then ' generated ' else ' default ' end || pg_get_expr(d.adbin, d.adrelid)) as text
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    union all
    select format('enum %s', t.typname), string_agg(e.enumlabel, ', ' order by e.enumsortorder)
    from pg_type t join pg_enum e on e.enumtypid = t.oid
    where t.typnamespace = 'public'::regnamespace
    group by t.typname
    union all
    select format('foreign key %s.%s', conrelid::regclass, a.attname),
      format('references %s(%s) on delete %s%s', confrelid::regclass, r.attname,
        case confdeltype when 'c' then 'cascade' when 'a' then 'no action' else confdeltype::text end,
        case when condeferrable then ' deferrable' || case when condeferred then ' initially deferred' else '' end end)
    from pg_constraint f
    join pg_attribute a on a.attrelid = f.conrelid and f.conkey = array[a.attnum]
    join pg_attribute r on r.attrelid = f.confrelid and f.confkey = array[r.attnum]
    where f.contype = 'f' and f.connamespace = 'public'::regnamespace
    union all
    select format('index %s', i.relname),
      format('%s on %s (%s)%s%s', case when x.indisprimary then 'primary' when x.indisunique then 'unique' else 'index' end,
        x.indrelid::regclass,
        (select string_agg(pg_get_indexdef(x.indexrelid, n, true), ', ' order by n) from generate_series(1, x.indnkeyatts) n),
        case when x.indnullsnotdistinct then ' nulls not distinct' end,
        ' where ' || pg_get_expr(x.indpred, x.indrelid, true))
    from pg_index x join pg_class i on i.oid = x.indexrelid
    where i.relnamespace = 'public'::regnamespace
    order by 1
  `);
  return new Map(rows.map(({ object, text }) => [object, text]));
}

/** Returns the objects that differ between two catalogues, sorted by name. */
export function differences(platform: Catalogue, migrated: Catalogue): CatalogueDifference[] {
  const names = [...new Set([...platform.keys(), ...migrated.keys()])].sort();
  return names
    .map((object) => ({ object, platform: platform.get(object), migrated: migrated.get(object) }))
    .filter((difference) => difference.platform !== difference.migrated);
}

/**
 * Creates the platform's tables in an empty database, as the platform's own ORM does.
 *
 * @param fixture `catalogue` for all tables of the platform, `backend` for the twelve tables that the platform's backend declares
 */
export async function createPlatformCatalogue(client: pg.Client, fixture: Fixture = 'catalogue'): Promise<void> {
  const catalogueRows = (name: string) => fixtureRows(fixture, name);
  for (const { enum: name, values = '' } of catalogueRows('enums')) {
    const labels = values.split(', ').map((label) => `'${label}'`);
    await client.query(`create type ${name} as enum (${labels.join(', ')})`);
  }
  for (const [table, columns] of Map.groupBy(catalogueRows('columns'), (row) => row.table)) {
    const definitions = columns.map(({ column, type, nullable, default: value }) => {
      return `"${column}" ${type} ${nullable === 'yes' ? '' : 'not null'} ${value ? `default ${value}` : ''}`;
    });
    await client.query(`create table ${table} (${definitions.join(', ')})`);
  }
  for (const { table, index, kind, columns } of catalogueRows('indexes')) {
    if (kind === 'primary') await client.query(`alter table ${table} add constraint ${index} primary key (${columns})`);
    else await client.query(`create ${kind === 'unique' ? 'unique' : ''} index ${index} on ${table} (${columns})`);
  }
  for (const { table, column, references, on_delete: action } of catalogueRows('foreign-keys')) {
    // The constraint is unnamed on purpose: the migrations find an adopted foreign key by its column.
    await client.query(`alter table ${table} add foreign key (${column}) references ${references} on delete ${action}`);
  }
}

function columnText(type: string, nullable: boolean, value: string): string {
  return `${type} ${nullable ? 'null' : 'not null'}${value === '' ? '' : ` default ${value}`}`;
}

/** Reads the rows of a file of `test/fixtures/catalogue`. */
export function catalogueRows(name: string): FixtureRow[] {
  return fixtureRows('catalogue', name);
}

/** Reads the rows of a file of a folder of `test/fixtures`. */
export function fixtureRows(fixture: Fixture, name: string): FixtureRow[] {
  const text = readFileSync(new URL(`../fixtures/${fixture}/${name}.tsv`, import.meta.url), 'utf8');
  const [header = [], ...rows] = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  return rows.map((cells) => Object.fromEntries(header.map((name, index) => [name, cells[index] ?? ''])));
}
