import { type Kysely, sql } from 'kysely';

/** A table that exists in the schema `public`, with the properties that adoption compares. */
export type ExistingTable = {
  readonly name: string;
  /** PostgreSQL's estimate of the number of rows. */
  readonly rows: number;
  readonly bytes: number;
  readonly columns: readonly ExistingColumn[];
  /** The foreign keys that consist of a single column, and whether each of them is validated. */
  readonly foreignKeys: readonly { readonly name: string; readonly column: string; readonly validated: boolean }[];
  /** The names of the table's check constraints. */
  readonly checks: readonly string[];
};

/** A column of an existing table. */
export type ExistingColumn = {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  /** Whether an insertion that does not name the column gets a value for it. */
  readonly filled: boolean;
};

/** The schema `public` of a database. */
export type ExistingSchema = {
  readonly tables: ReadonlyMap<string, ExistingTable>;
  /** For the name of each index, whether the index is valid. It is invalid if its concurrent creation failed. */
  readonly indexes: ReadonlyMap<string, boolean>;
  readonly enums: ReadonlyMap<string, readonly string[]>;
};

/** Reads the schema `public` of a database. */
export async function readExistingSchema<DB>(db: Kysely<DB>): Promise<ExistingSchema> {
  const tables = await sql<ExistingTable>`
    select c.relname as name, greatest(c.reltuples, 0)::float8 as rows, pg_relation_size(c.oid)::float8 as bytes,
      (select coalesce(json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod),
          'required', attnotnull, 'filled', atthasdef or attidentity <> '')), '[]')
        from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
      (select coalesce(json_agg(json_build_object('name', conname, 'column', attname, 'validated', convalidated)), '[]')
        from pg_constraint join pg_attribute on attrelid = conrelid and conkey = array[attnum]
        where conrelid = c.oid and contype = 'f') as "foreignKeys",
      (select coalesce(json_agg(conname), '[]') from pg_constraint where conrelid = c.oid and contype = 'c') as checks
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  `.execute(db);
  const indexes = await sql<{ name: string; valid: boolean }>`
    select c.relname as name, indisvalid as valid from pg_index join pg_class c on c.oid = indexrelid
    where c.relnamespace = 'public'::regnamespace
  `.execute(db);
  const enums = await sql<{ name: string; labels: string[] }>`
    select typname as name, array_agg(enumlabel::text) as labels from pg_type join pg_enum on enumtypid = pg_type.oid
    where typnamespace = 'public'::regnamespace group by 1
  `.execute(db);
  return {
    tables: new Map(tables.rows.map((table) => [table.name, table])),
    indexes: new Map(indexes.rows.map(({ name, valid }) => [name, valid])),
    enums: new Map(enums.rows.map(({ name, labels }) => [name, labels])),
  };
}

/** Returns whether a table has a row. */
export async function hasRows<DB>(db: Kysely<DB>, table: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (select from public.${sql.ref(table)}) as found
  `.execute(db);
  return rows[0]?.found === true;
}
