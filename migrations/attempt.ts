import { type Kysely, sql } from 'kysely';

/** string_data_right_truncation, numeric_value_out_of_range, not_null_violation, foreign_key_violation, unique_violation */
const REFUSED_BY_ROWS = new Set(['22001', '22003', '23502', '23503', '23505']);

/** Runs `act` in a savepoint. Rolls it back without an error if existing rows violate what it does. */
export async function attempt(db: Kysely<unknown>, act: () => Promise<unknown>): Promise<void> {
  await sql`savepoint attempt`.execute(db);
  try {
    await act();
    await sql`release savepoint attempt`.execute(db);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && REFUSED_BY_ROWS.has(String(error.code)))) throw error;
    await sql`rollback to savepoint attempt`.execute(db);
  }
}
