import { sql } from 'kysely';
import type pg from 'pg';
import type { Database } from './database.ts';
import { SQLSTATE, sqlstateOf } from './sqlstate.ts';
import { transaction } from './transaction.ts';

/** A table, and its indexes that only readers use: no statement of the program, and no foreign key check, looks rows up by them. */
export type DeferrableTable = {
  readonly schema: string;
  readonly name: string;
  readonly readersIndexes: readonly string[];
};

/** Readers of an empty table wait no longer than this for the lock (milliseconds). */
const LOCK_TIMEOUT_MS = 1_000;
const WITHOUT: readonly string[] = [SQLSTATE.lockNotAvailable, SQLSTATE.insufficientPrivilege];
/** An index is built for as long as it takes. */
const PATIENCE_MS = 24 * 3_600_000;

/**
 * Drops the readers' indexes before an initial load, and records them to be built at its end, or after a crash by the next process
 * that has nothing to fill. Kept up row by row they are more than half of what a load costs PostgreSQL.
 *
 * @param facts tables of which any row means that the tables are in use: then nothing is dropped
 * @returns how many were dropped
 */
export async function deferIndexes(
  database: Database,
  tables: readonly DeferrableTable[],
  facts: readonly Pick<DeferrableTable, 'schema' | 'name'>[],
): Promise<number> {
  const inUse = facts.map(nameOf);
  const deferrable = tables.filter(({ readersIndexes }) => readersIndexes.length > 0);
  const names = deferrable.map(nameOf).sort();
  if (await holdsAny(database.kysely, inUse)) return 0;
  try {
    return await transaction(database, async (tx) => {
      await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(tx);
      await sql`lock table ${sql.join(names.map((name) => sql.table(name)))} in access exclusive mode`.execute(tx);
      if (await holdsAny(tx, inUse)) return 0;
      let dropped = 0;
      for (const table of deferrable) {
        // The platform may have made rows of its own.
        if (await holdsAny(tx, [nameOf(table)])) continue;
        const { rows } = await sql<{ name: string }>`
          insert into indexer.deferred_indexes (name, definition)
          select name, definition from (
            select format('%I.%I', ${table.schema}::text, relname) as name, pg_get_indexdef(indexrelid) as definition
            from pg_index join pg_class on pg_class.oid = indexrelid
            where indrelid = ${nameOf(table)}::regclass and not indisunique and relname = any(${[...table.readersIndexes]}::text[])
            offset 0
          ) held
          -- not one that a builder has just made, and is about to strike off
          where pg_try_advisory_xact_lock(hashtextextended('indexer:index:' || name, 0))
          -- one that is recorded and yet there: a builder was killed before it struck it off
          on conflict (name) do update set definition = excluded.definition
          returning name
        `.execute(tx);
        for (const { name } of rows) await sql`drop index ${sql.raw(name)}`.execute(tx);
        dropped += rows.length;
      }
      return dropped;
    });
  } catch (error) {
    // Someone reads the tables, or they are another's: then the load does without.
    if (WITHOUT.includes(sqlstateOf(error) ?? '')) return 0;
    throw error;
  }
}

/** How many indexes are left for the end of a load. */
export async function countDeferredIndexes(db: Database['kysely']): Promise<number> {
  const { count } = await db
    .selectFrom('indexer.deferred_indexes')
    .select(({ fn }) => fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

/**
 * Builds the indexes that an initial load left, beside everything else that goes on. One process does it at a time; what
 * another is at, or has done, is left to it. Safe to interrupt and to repeat.
 *
 * @returns how many are there now that were not
 */
export async function buildDeferredIndexes(database: Database, signal: AbortSignal): Promise<number> {
  if ((await countDeferredIndexes(database.kysely)) === 0) return 0;
  return withBuilder(database, signal, async (first) => {
    const { rows: lock } = await first.query<{ locked: boolean }>(
      "select pg_try_advisory_lock(hashtextextended('indexer:indexes', 0)) as locked",
    );
    if (!lock[0]?.locked) return 0;
    const { rows } = await first.query<Deferred>(`
      select name, split_part(definition, ' ', 5) as table from indexer.deferred_indexes order by name
    `);
    // Of one table, one is built at a time.
    const tables = [...Map.groupBy(rows, ({ table }) => table).values()].sort((a, b) => b.length - a.length);
    let built = 0;
    const work = async (client: pg.PoolClient) => {
      for (let next = tables.shift(); next !== undefined; next = tables.shift())
        for (const { name } of next) if (await build(client, name, signal)) built += 1;
    };
    await Promise.all([work(first), withBuilder(database, signal, work)]);
    return built;
  });
}

type Deferred = { readonly name: string; readonly table: string };

/** Under a lock that the building connection holds: of a builder that lost its first connection the second may be at it still. */
const LOCK = "hashtextextended('indexer:index:' || $1, 0)";

/** Builds an index and strikes it off; false where another builder is at it. */
async function build(client: pg.PoolClient, name: string, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  const { rows: lock } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${LOCK}) as locked`, [
    name,
  ]);
  if (!lock[0]?.locked) return false;
  const { rows } = await client.query<{ definition: string; valid: boolean | null }>(
    `select definition, (select indisvalid from pg_index where indexrelid = to_regclass(name)) as valid
     from indexer.deferred_indexes where name = $1`,
    [name],
  );
  for (const { definition, valid } of rows) {
    const patient = (text: string) => client.query({ text, query_timeout: PATIENCE_MS } as pg.QueryConfig);
    // One that is not valid was interrupted.
    if (valid === false) await patient(`drop index concurrently ${name}`);
    if (valid !== true) await patient(definition.replace(/^CREATE INDEX /, 'CREATE INDEX CONCURRENTLY '));
    await client.query('delete from indexer.deferred_indexes where name = $1', [name]);
  }
  await client.query(`select pg_advisory_unlock(${LOCK})`, [name]);
  return rows.length > 0;
}

/** A connection of its own, whose settings and locks go with it; so does a build under way, once PostgreSQL notices. */
async function withBuilder<T>(
  database: Database,
  signal: AbortSignal,
  act: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await database.pool.connect();
  let isOver = false;
  const end = () => {
    if (!isOver) client.release(true);
    isOver = true;
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    signal.throwIfAborted();
    await client.query('set statement_timeout = 0; set lock_timeout = 0');
    // Not every platform has it.
    await client.query('set client_connection_check_interval = 1000').catch(() => undefined);
    return await act(client);
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

/** Whether any of the tables holds a row. */
async function holdsAny(db: Database['kysely'], tables: readonly string[]): Promise<boolean> {
  const asked = tables.map((table) => sql`exists (select from ${sql.table(table)})`);
  const { rows } = await sql<{ any: boolean }>`select ${sql.join(asked, sql` or `)} as any`.execute(db);
  return rows[0]?.any === true;
}

function nameOf({ schema, name }: Pick<DeferrableTable, 'schema' | 'name'>): string {
  return `${schema}.${name}`;
}
