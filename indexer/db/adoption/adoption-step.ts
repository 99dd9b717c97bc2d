import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { AdoptableColumn } from './adoptable-table.ts';
import type { ExistingSchema } from './existing-tables.ts';

/** The locks that a step takes on its table, as PostgreSQL names them. */
export type Lock = 'ACCESS EXCLUSIVE' | 'SHARE ROW EXCLUSIVE' | 'SHARE UPDATE EXCLUSIVE' | 'ROW EXCLUSIVE';

/**
 * What a step does to the existing rows of its table while it holds its lock. `none`: it does not touch them. `scan`: it reads all of them.
 * `rewrite`: it writes all of them to a new file. `batches`: it updates them in batches, each in a transaction of its own.
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
   * How the statements run. `transaction`: all in one transaction with a limited wait for locks. `alone`: each outside a transaction.
   * `repeated`: like `transaction`, but the transaction is repeated until the last statement changes no row.
   */
  readonly mode: 'transaction' | 'alone' | 'repeated';
  /** Whether the step runs in the first round of `adoptTables` only, because the migrations do what is left of its work. */
  readonly once?: true;
};

/** The steps to run before the migrations, and the reasons why tables cannot be adopted. */
export type Adoption = { readonly steps: readonly AdoptionStep[]; readonly refusals: readonly string[] };

/** The input for planning the steps of a table: the database, and the schema that was read from it. */
export type AdoptionInput<DB> = { readonly db: Kysely<DB>; readonly existing: ExistingSchema };

/** Returns the definition of a column in the syntax of `create table` and `add column`. */
export function definitionOf({ name, type, required, value }: AdoptableColumn): RawBuilder<unknown> {
  const rest = `${type}${required ? ' not null' : ''}${value === null ? '' : ` default ${value}`}`;
  return sql`${sql.ref(name)} ${sql.raw(rest)}`;
}
