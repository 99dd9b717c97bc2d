import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Transaction } from '../db/transaction.ts';
import type { TableDescription } from '../facts/fact-table.ts';
import { UsageError } from '../kernel/errors.ts';
import { describedTables } from '../protocols/protocols.ts';

/** The number of rows of each table, and a digest (64 hexadecimal digits). Digests are equal if and only if the contents are equal. */
export type Digest = { readonly tables: Readonly<Record<string, { readonly rows: number; readonly digest: string }>> };

/**
 * Returns a digest of each table, or of each named table. A table has the same digest in two databases if it has the same rows in
 * both, in whatever order they were written.
 *
 * Hashes each row by SHA-256 and adds the four quarters of the hashes modulo 2⁶⁴ (a multiset hash: AdHash of Bellare and
 * Micciancio, "A New Paradigm for Collision-free Hashing"), so the rows need not be sorted. All tables are read in one snapshot.
 *
 * @throws {UsageError} for a table that has no digest.
 */
export async function digest(database: Database, names?: readonly string[]): Promise<Digest> {
  refuseUnknownTables(names ?? []);
  const wanted = describedTables.filter(({ name }) => names === undefined || names.includes(name));
  return database.kysely
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      await sql`set local timezone = 'UTC'`.execute(tx);
      await sql`set local datestyle = 'ISO, YMD'`.execute(tx);
      await sql`set local statement_timeout = 0`.execute(tx);
      const tables: Record<string, { rows: number; digest: string }> = {};
      for (const table of wanted) tables[table.name] = await digestOf(tx, table);
      return { tables };
    });
}

/** Throws `UsageError` for a table that has no digest. */
export function refuseUnknownTables(names: readonly string[]): void {
  const unknown = names.filter((name) => !describedTables.some((table) => table.name === name));
  if (unknown.length === 0) return;
  throw new UsageError(
    `no digest of ${unknown.join(', ')}; the tables are: ${describedTables.map(({ name }) => name).join(', ')}`,
  );
}

async function digestOf(
  tx: Transaction,
  { name, digest: { rows, columns } }: TableDescription,
): Promise<{ rows: number; digest: string }> {
  const quarter = (n: number) =>
    sql.raw(`sum(('x' || substr(hash, ${n * 16 + 1}, 16))::bit(64)::bigint::numeric) as sum${n}`);
  const found = await sql<{
    rows: string;
    sum0: string | null;
    sum1: string | null;
    sum2: string | null;
    sum3: string | null;
  }>`
    select count(*) as rows, ${sql.join([0, 1, 2, 3].map(quarter))}
    from (
      select encode(sha256(convert_to(row(${sql.raw(columns.join(', '))})::text, 'UTF8')), 'hex') as hash
      from ${sql.raw(rows)}
    ) hashed
  `.execute(tx);
  const row = found.rows[0];
  const sums = [row?.sum0, row?.sum1, row?.sum2, row?.sum3].map((sum) =>
    BigInt.asUintN(64, BigInt(sum ?? 0)).toString(16),
  );
  return {
    rows: Number(row?.rows ?? 0),
    digest: createHash('sha256')
      .update(`${name} ${row?.rows ?? 0} ${sums.join(' ')}`)
      .digest('hex'),
  };
}
