import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { AdoptableColumn } from './adoptable-table.ts';
import type { ExistingSchema } from './existing-tables.ts';

/** The locks that a step takes on its table, as PostgreSQL names them. */
export type Lock = 'ACCESS EXCLUSIVE' | 'SHARE ROW EXCLUSIVE' | 'SHARE UPDATE EXCLUSIVE' | 'ROW EXCLUSIVE';

/**
 * What a step does to the rows while it holds its lock: nothing, because it only changes the catalogue of PostgreSQL; it reads all of
 * them; it writes all of them to a new file; or it updates them in batches of one transaction each.
 */
export type RowWork = 'none' | 'scan' | 'rewrite' | 'batches';

/** One change of a table that the platform created. Each step can be repeated after a crash. */
export type AdoptionStep = {
  readonly table: string;
  readonly does: string;
  readonly lock: Lock;
  readonly rows: RowWork;
  readonly statements: readonly RawBuilder<unknown>[];
  /**
   * How the statements run: together in one transaction with a limit to the wait for locks; each by itself and without a transaction; or
   * in one transaction after another, until the last of them changes no row.
   */
  readonly mode: 'transaction' | 'alone' | 'repeated';
};

/** The steps to run before the migrations, and the reasons why tables cannot be adopted. */
export type Adoption = { readonly steps: readonly AdoptionStep[]; readonly refusals: readonly string[] };

/** The database, and its schema as it was read, from which a part of the plan is computed. */
export type AdoptionInput<DB> = { readonly db: Kysely<DB>; readonly existing: ExistingSchema };

/** Returns the definition of a column in the syntax of `create table` and `add column`. */
export function definitionOf({ name, type, required, value }: AdoptableColumn): RawBuilder<unknown> {
  const rest = `${type}${required ? ' not null' : ''}${value === null ? '' : ` default ${value}`}`;
  return sql`${sql.ref(name)} ${sql.raw(rest)}`;
}
