import { sql } from 'kysely';
import type pg from 'pg';
import type { Database } from './database.ts';
import { sessionClient } from './server.ts';
import { SQLSTATE, sqlstateOf } from './sqlstate.ts';
import { transaction } from './transaction.ts';

/** A table. Only readers of the database use its `readersIndexes`: no statement of the program and no check of a foreign key does. */
export type DeferrableTable = {
  readonly schema: string;
  readonly name: string;
  readonly readersIndexes: readonly string[];
};

/** Limits how long readers of the empty tables queue behind the exclusive lock that this module requests. */
const LOCK_TIMEOUT_MS = 1_000;
/** After these errors `deferIndexes` drops no index, and the load updates the indexes row by row. */
const SKIPPING_ERRORS: readonly string[] = [SQLSTATE.lockNotAvailable, SQLSTATE.insufficientPrivilege];
/** The build of an index may take a day. */
const BUILD_TIMEOUT_MS = 24 * 3_600_000;
const ANSWER_TIMEOUT_MS = 60_000;
/** Indexes of tables up to this size (some 500,000 rows) are built without `CONCURRENTLY`. This blocks writers, but takes half the time. */
const BRIEF_BUILD_BYTES_MAX = 2 ** 27;
/**
 * The timeouts of a build without `CONCURRENTLY`: for its wait for writers, and for each statement. When one of them expires, the index
 * is built with `CONCURRENTLY`.
 */
const BRIEF_LOCK_MS = 100;
const BRIEF_BUILD_MS = 2_000;

/**
 * Drops the readers' indexes before an initial load, which reads history into empty tables, and records their definitions. The indexes are
 * built again at the end of the load or, after a crash, by the next process that has no history to read. Updating them row by row would
 * be more than half of PostgreSQL's work in a load.
 *
 * Drops none if a pooler keeps no sessions, because `buildDeferredIndexes` needs a session for its locks and settings.
 *
 * @param facts the tables of facts. If any of them holds a row, the database is in use and no index is dropped.
 * @returns the number of dropped indexes
 */
export async function deferIndexes(
  database: Database,
  tables: readonly DeferrableTable[],
  facts: readonly Pick<DeferrableTable, 'schema' | 'name'>[],
): Promise<number> {
  const factTables = facts.map(qualifiedName);
  const deferrable = tables.filter(({ readersIndexes }) => readersIndexes.length > 0);
  const names = deferrable.map(qualifiedName).sort();
  if (!database.sessions.lasting || (await hasRows(database.kysely, factTables))) return 0;
  try {
    return await transaction(database, async (tx) => {
      await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(tx);
      await sql`lock table ${sql.join(names.map((name) => sql.table(name)))} in access exclusive mode`.execute(tx);
      if (await hasRows(tx, factTables)) return 0;
      let dropped = 0;
      for (const table of deferrable) {
        // The platform may have inserted rows of its own.
        if (await hasRows(tx, [qualifiedName(table)])) continue;
        const { rows } = await sql<{ name: string }>`
          insert into indexer.deferred_indexes (name, definition)
          select name, definition from (
            select format('%I.%I', ${table.schema}::text, relname) as name, pg_get_indexdef(indexrelid) as definition
            from pg_index join pg_class on pg_class.oid = indexrelid
            where indrelid = ${qualifiedName(table)}::regclass and not indisunique
              and relname = any(${[...table.readersIndexes]}::text[])
            offset 0
          ) held
          -- skip an index that a builder has just created and whose record it is about to delete
          where pg_try_advisory_xact_lock(hashtextextended('indexer:index:' || name, 0))
          -- an index can exist and be recorded: a builder was killed before it deleted the record
          on conflict (name) do update set definition = excluded.definition
          returning name
        `.execute(tx);
        for (const { name } of rows) await sql`drop index ${sql.raw(name)}`.execute(tx);
        dropped += rows.length;
      }
      return dropped;
    });
  } catch (error) {
    // A reader holds a lock on the tables, or another role owns them. The load then keeps the indexes.
    if (SKIPPING_ERRORS.includes(sqlstateOf(error) ?? '')) return 0;
    throw error;
  }
}

/** Returns the number of indexes that are still to be built. */
export async function countDeferredIndexes(db: Database['kysely']): Promise<number> {
  const { count } = await db
    .selectFrom('indexer.deferred_indexes')
    .select(({ fn }) => fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

/**
 * Builds the indexes that `deferIndexes` dropped. Never blocks reads. Blocks writes only while it builds the index of a small table, for
 * up to two seconds. One process at a time builds indexes. Skips an index that another connection is building or has built. Safe to
 * interrupt and to repeat.
 *
 * @returns the number of indexes that this call built
 */
export async function buildDeferredIndexes(database: Database, signal: AbortSignal): Promise<number> {
  if (!database.sessions.lasting || (await countDeferredIndexes(database.kysely)) === 0) return 0;
  return withBuilder(database, signal, async (first) => {
    const { rows: lock } = await first.query<{ locked: boolean }>(
      "select pg_try_advisory_lock(hashtextextended('indexer:indexes', 0)) as locked",
    );
    if (!lock[0]?.locked) return 0;
    const { rows } = await first.query<Deferred>(`
      select name, split_part(definition, ' ', 5) as table from indexer.deferred_indexes order by name
    `);
    // Indexes of one table are built one after the other.
    const tables = [...Map.groupBy(rows, ({ table }) => table).values()].sort((a, b) => b.length - a.length);
    let built = 0;
    const work = async (client: pg.Client) => {
      for (let next = tables.shift(); next !== undefined; next = tables.shift()) {
        // Not `built += await …`, which reads `built` before the wait and would lose the count of the other connection.
        const count = await buildIndexes(client, next, signal);
        built += count;
      }
    };
    await Promise.all([work(first), withBuilder(database, signal, work)]);
    return built;
  });
}

type Deferred = { readonly name: string; readonly table: string };

/**
 * SQL for the key of the advisory lock that a connection holds while it builds the index `$1`. The lock `indexer:indexes`, which the
 * first connection of a process holds, is not enough: if that connection is lost, the process's second one may still be building.
 */
const LOCK = "hashtextextended('indexer:index:' || $1, 0)";

/** Builds the indexes of a table. Returns how many of them it built. */
async function buildIndexes(client: pg.Client, indexes: readonly Deferred[], signal: AbortSignal): Promise<number> {
  let built = 0;
  // If one build without `CONCURRENTLY` takes too long, the builds of the table's other indexes would also take too long.
  const brief = { isPossible: true };
  for (const { name } of indexes) if (await buildIndex(client, name, brief, signal)) built += 1;
  return built;
}

/** Builds an index and deletes its record. Returns false if another connection is building the index or has built it. */
async function buildIndex(
  client: pg.Client,
  name: string,
  brief: { isPossible: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  signal.throwIfAborted();
  const { rows: lock } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${LOCK}) as locked`, [
    name,
  ]);
  if (!lock[0]?.locked) return false;
  const { rows } = await client.query<{ definition: string; valid: boolean | null; bytes: string }>(
    `select definition, (select indisvalid from pg_index where indexrelid = to_regclass(name)) as valid,
       pg_relation_size(split_part(definition, ' ', 5)) as bytes
     from indexer.deferred_indexes where name = $1`,
    [name],
  );
  for (const { definition, valid, bytes } of rows) {
    if (brief.isPossible && valid === null && Number(bytes) <= BRIEF_BUILD_BYTES_MAX) {
      if (await buildBriefly(client, name, definition)) continue;
      brief.isPossible = false;
    }
    const run = (text: string) => client.query({ text, query_timeout: BUILD_TIMEOUT_MS } as pg.QueryConfig);
    // An interrupted concurrent build leaves an invalid index.
    if (valid === false) await run(`drop index concurrently ${name}`);
    if (valid !== true) await run(definition.replace(/^CREATE INDEX /, 'CREATE INDEX CONCURRENTLY '));
    await client.query('delete from indexer.deferred_indexes where name = $1', [name]);
  }
  await client.query(`select pg_advisory_unlock(${LOCK})`, [name]);
  return rows.length > 0;
}

/** Builds an index without `CONCURRENTLY` and deletes its record. Returns false, with no effect, if a timeout ends the build. */
async function buildBriefly(client: pg.Client, name: string, definition: string): Promise<boolean> {
  try {
    await client.query(
      `begin; set local lock_timeout = ${BRIEF_LOCK_MS}; set local statement_timeout = ${BRIEF_BUILD_MS}`,
    );
    await client.query(definition);
    await client.query('delete from indexer.deferred_indexes where name = $1', [name]);
    await client.query('commit');
    return true;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    const state = sqlstateOf(error);
    if (state === SQLSTATE.lockNotAvailable || state === SQLSTATE.queryCanceled) return false;
    throw error;
  }
}

/**
 * Runs `work` on a separate connection and then closes the connection, which releases its locks. When the signal aborts, the connection
 * is closed at once. PostgreSQL cancels a running build as soon as it notices the closed connection.
 */
async function withBuilder<T>(
  database: Database,
  signal: AbortSignal,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = sessionClient(database.sessions, 'indexer', ANSWER_TIMEOUT_MS);
  client.on('error', () => undefined);
  const end = () => void client.end().catch(() => undefined);
  signal.addEventListener('abort', end, { once: true });
  try {
    signal.throwIfAborted();
    await client.connect();
    await client.query('set statement_timeout = 0; set lock_timeout = 0');
    // PostgreSQL does not support this setting on every operating system.
    await client.query('set client_connection_check_interval = 1000').catch(() => undefined);
    return await work(client);
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

/** Returns whether any of the tables holds a row. */
async function hasRows(db: Database['kysely'], tables: readonly string[]): Promise<boolean> {
  const conditions = tables.map((table) => sql`exists (select from ${sql.table(table)})`);
  const { rows } = await sql<{ any: boolean }>`select ${sql.join(conditions, sql` or `)} as any`.execute(db);
  return rows[0]?.any === true;
}

function qualifiedName({ schema, name }: Pick<DeferrableTable, 'schema' | 'name'>): string {
  return `${schema}.${name}`;
}
